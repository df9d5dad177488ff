// The envelope: negotiation, lengths that lie, replies without room, numbers that were never given out.
#include <gtest/gtest.h>

#include "devices/fs/test_client.h"

namespace sandstone::fs {

TEST(FuseProtocol, AgreesOnTheOlderMinorAndOnKnownFlags) {
  Served served(Served::writable(), false);
  const auto old = served.init(7, 31).as<fuse_init_out>();
  EXPECT_EQ(old.major, 7U);
  EXPECT_EQ(old.minor, 31U);
  const auto out = served.init(7, 99).as<fuse_init_out>();
  EXPECT_EQ(out.minor, 38U);
  EXPECT_EQ(out.max_write, 1U << 20);
  EXPECT_EQ(out.max_pages, 256);
  EXPECT_NE(out.flags & FUSE_DO_READDIRPLUS, 0U);
  EXPECT_EQ(out.flags & (FUSE_POSIX_ACL | FUSE_POSIX_LOCKS | FUSE_WRITEBACK_CACHE | FUSE_MAP_ALIGNMENT), 0U);
  EXPECT_EQ(served.init(7, 38, FUSE_ASYNC_READ).as<fuse_init_out>().flags, uint32_t{FUSE_ASYNC_READ});
  EXPECT_EQ(served.init(8, 0).as<fuse_init_out>().major, 7U);
  EXPECT_EQ(served.init(7, 30).error, EPROTO);
  EXPECT_EQ(served.init(6, 31).error, EPROTO);
}

TEST(FuseProtocol, NothingIsServedBeforeInitOrAfterDestroy) {
  Served served(Served::writable(), false);
  EXPECT_EQ(served.getattr(FUSE_ROOT_ID).error, EIO);
  EXPECT_TRUE(served.init().ok());
  EXPECT_TRUE(served.getattr(FUSE_ROOT_ID).ok());
  EXPECT_TRUE(served.call(FUSE_DESTROY, 0, "").ok());
  EXPECT_EQ(served.getattr(FUSE_ROOT_ID).error, EIO);
}

TEST(FuseProtocol, AnotherInitGivesUpWhatTheFirstKernelHeld) {
  Served served;
  const auto made = served.create("a", O_RDWR);
  const auto fh = made.as<fuse_open_out>(sizeof(fuse_entry_out)).fh;
  const auto node = made.as<fuse_entry_out>().nodeid;
  EXPECT_TRUE(served.read(node, fh, 0, 1).ok());
  EXPECT_TRUE(served.init().ok());
  EXPECT_EQ(served.read(node, fh, 0, 1).error, EBADF);
  EXPECT_EQ(served.getattr(node).error, ESTALE);
  EXPECT_EQ(served.server().usage().nodes, 1U);
  EXPECT_EQ(served.server().usage().handles, 0U);
}

TEST(FuseProtocol, UnknownOpcodesAnswerEnosys) {
  Served served;
  for (const uint32_t opcode :
       {0U, 7U, 19U, uint32_t{FUSE_GETLK}, uint32_t{FUSE_SETLKW}, uint32_t{FUSE_IOCTL},
        uint32_t{FUSE_SETUPMAPPING}, uint32_t{FUSE_SYNCFS}, 52U, 4096U, UINT32_MAX})
    EXPECT_EQ(served.call(opcode, FUSE_ROOT_ID, std::string(64, '\0')).error, ENOSYS) << opcode;
}

TEST(FuseProtocol, EveryOpcodeSurvivesEveryLengthOfZeroesAndOfOnes) {
  Served served;
  for (uint32_t opcode = 0; opcode <= 60; ++opcode) {
    for (size_t size = 0; size <= 140; ++size) {
      served.call(opcode, FUSE_ROOT_ID, std::string(size, '\0'));
      served.call(opcode, FUSE_ROOT_ID, std::string(size, '\xff'));
      served.call(opcode, UINT64_MAX, std::string(size, 'a'));
      served.send(std::string(size, static_cast<char>(opcode)), size);
    }
    EXPECT_TRUE(served.init().ok());  // one of them was DESTROY
  }
}

TEST(FuseProtocol, HeaderLengthsThatLieAreRefused) {
  Served served;
  std::ofstream(served.path() / "a") << "x";
  std::string good = Served::request(FUSE_LOOKUP, FUSE_ROOT_ID, terminated("a"));
  EXPECT_TRUE(served.send(good).ok());
  const auto with_length = [&](uint32_t length) {
    std::string bytes = good;
    std::memcpy(bytes.data(), &length, sizeof length);
    return served.send(bytes).error;
  };
  EXPECT_EQ(with_length(0), EINVAL);
  EXPECT_EQ(with_length(39), EINVAL);
  EXPECT_EQ(with_length(static_cast<uint32_t>(good.size() + 1)), EINVAL);
  EXPECT_EQ(with_length(UINT32_MAX), EINVAL);
  EXPECT_EQ(with_length(41), EINVAL);  // the name has lost its end
  EXPECT_EQ(served.send(good.substr(0, 39)).error, EINVAL);
  EXPECT_EQ(served.send("").error, EINVAL);
  // Extensions that are longer than the request.
  std::string extended = good;
  const uint16_t many = UINT16_MAX;
  std::memcpy(extended.data() + offsetof(fuse_in_header, total_extlen), &many, sizeof many);
  EXPECT_EQ(served.send(extended).error, EINVAL);
}

TEST(FuseProtocol, AWriteThatSaysMoreThanItHasIsRefused) {
  Served served;
  const auto made = served.create("a", O_RDWR);
  fuse_write_in in{};
  in.fh = made.as<fuse_open_out>(sizeof(fuse_entry_out)).fh;
  in.size = 4096;
  const auto node = made.as<fuse_entry_out>().nodeid;
  EXPECT_EQ(served.call(FUSE_WRITE, node, bytes_of(in) + "short").error, EINVAL);
  EXPECT_EQ(content(served.path() / "a"), "");
}

TEST(FuseProtocol, ALookupThatCannotBeToldDoesNotHappen) {
  Served served;
  std::ofstream(served.path() / "a") << "x";
  const std::string lookup = Served::request(FUSE_LOOKUP, FUSE_ROOT_ID, terminated("a"));
  const std::string mkdir =
      Served::request(FUSE_MKDIR, FUSE_ROOT_ID, bytes_of(fuse_mkdir_in{0755, 0}) + terminated("d"));
  for (size_t room = 0; room < sizeof(fuse_out_header) + sizeof(fuse_entry_out); ++room) {
    EXPECT_EQ(served.send(lookup, room).error, room < sizeof(fuse_out_header) ? -1 : EINVAL);
    EXPECT_EQ(served.send(mkdir, room).error, room < sizeof(fuse_out_header) ? -1 : EINVAL);
  }
  EXPECT_EQ(served.server().usage().nodes, 1U);
  EXPECT_FALSE(std::filesystem::exists(served.path() / "d"));
  EXPECT_TRUE(served.send(lookup, sizeof(fuse_out_header) + sizeof(fuse_entry_out)).ok());
}

TEST(FuseProtocol, PiecesMayBeCutAnywhere) {
  Served served;
  for (const size_t piece : {1U, 2U, 3U, 7U, 39U, 41U, 4095U}) {
    const std::string name = "file" + std::to_string(piece);
    const std::string body = bytes_of(fuse_create_in{O_RDWR, S_IFREG | 0644, 0, 0}) + terminated(name);
    const auto made = served.send(Served::request(FUSE_CREATE, FUSE_ROOT_ID, body), 300, piece);
    ASSERT_TRUE(made.ok()) << piece;
    const auto node = made.as<fuse_entry_out>().nodeid;
    const auto fh = made.as<fuse_open_out>(sizeof(fuse_entry_out)).fh;
    std::string data;
    for (int i = 0; i < 1000; ++i) data += std::to_string(i);
    fuse_write_in write{};
    write.fh = fh;
    write.size = static_cast<uint32_t>(data.size());
    const auto wrote = served.send(Served::request(FUSE_WRITE, node, bytes_of(write) + data), 100, piece);
    EXPECT_EQ(wrote.as<fuse_write_out>().size, data.size());
    EXPECT_EQ(content(served.path() / name), data);
    fuse_read_in read{};
    read.fh = fh;
    read.offset = 5;
    read.size = static_cast<uint32_t>(data.size());
    EXPECT_EQ(served.send(Served::request(FUSE_READ, node, bytes_of(read)), 8192, piece).body,
              data.substr(5));
    EXPECT_EQ(served.send(Served::request(FUSE_READ, node, bytes_of(read)), 100, piece).body,
              data.substr(5, 84));
  }
}

TEST(FuseProtocol, ForgettingMoreThanWasLookedUpIsNotObeyed) {
  Served served;
  std::ofstream(served.path() / "a") << "x";
  const uint64_t node = served.node("a");
  EXPECT_EQ(served.node("a"), node);
  EXPECT_EQ(served.forget(node, 3).error, -1);  // no answer
  EXPECT_TRUE(served.getattr(node).ok());
  served.forget(node, UINT64_MAX);
  EXPECT_TRUE(served.getattr(node).ok());
  served.forget(node, 1);
  EXPECT_TRUE(served.getattr(node).ok());
  served.forget(node, 1);
  EXPECT_EQ(served.getattr(node).error, ESTALE);
  served.forget(FUSE_ROOT_ID, 1);
  EXPECT_TRUE(served.getattr(FUSE_ROOT_ID).ok());
  EXPECT_NE(served.node("a"), node);  // a number is never given out again
}

TEST(FuseProtocol, ABatchForgetsOnlyWhatItCarries) {
  Served served;
  std::ofstream(served.path() / "a") << "x";
  std::ofstream(served.path() / "b") << "x";
  const uint64_t a = served.node("a");
  const uint64_t b = served.node("b");
  const std::string ones = bytes_of(fuse_forget_one{a, 1}) + bytes_of(fuse_forget_one{b, 1});
  served.call(FUSE_BATCH_FORGET, 0, bytes_of(fuse_batch_forget_in{1, 0}) + ones);
  EXPECT_EQ(served.getattr(a).error, ESTALE);
  EXPECT_TRUE(served.getattr(b).ok());
  served.call(FUSE_BATCH_FORGET, 0, bytes_of(fuse_batch_forget_in{UINT32_MAX, 0}) + ones);
  EXPECT_EQ(served.getattr(b).error, ESTALE);
}

TEST(FuseProtocol, InterruptsHaveNoAnswer) {
  Served served;
  EXPECT_EQ(served.call(FUSE_INTERRUPT, 0, bytes_of(fuse_interrupt_in{42})).error, -1);
}

TEST(FuseServer, SaysWhatItCannotServe) {
  const auto refused = [](const char* path, std::vector<IdRange> ids = {}) {
    Options options;
    options.root = Fd(::open(path, O_PATH | O_CLOEXEC));
    options.uids = std::move(ids);
    auto made = FuseServer::create(std::move(options));
    return made.ok() ? "" : made.error().line();
  };
  EXPECT_EQ(refused("/"), "");
  EXPECT_NE(refused("/etc/passwd").find("no folder"), std::string::npos);
  EXPECT_NE(refused("/proc").find("procfs"), std::string::npos);
  EXPECT_NE(refused("/", {{0, 1000, 10}, {5, 2000, 10}}).find("overlap"), std::string::npos);
  EXPECT_NE(refused("/", {{0, 1000, 10}, {20, 1009, 1}}).find("overlap"), std::string::npos);
  EXPECT_NE(refused("/", {{0, UINT32_MAX, 1}}).find("last id"), std::string::npos);
  EXPECT_NE(refused("/nonexistent").find("cannot use"), std::string::npos);
}

}  // namespace sandstone::fs
