// Several workers at once, and a guest that changes requests while they are read.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <random>
#include <thread>

#include "devices/fs/message.h"
#include "devices/fs/test_client.h"

namespace sandstone::fs {
namespace {

constexpr int kRounds = 3000;

// Runs `work` while another thread writes `bytes` to and fro between two forms.
template <typename Work>
void while_flipping(std::string& bytes, size_t offset, std::string_view a, std::string_view b, Work work) {
  std::atomic<bool> stop = false;
  std::thread flipper([&] {
    while (!stop) {
      std::memcpy(bytes.data() + offset, a.data(), a.size());
      asm volatile("" ::: "memory");
      std::memcpy(bytes.data() + offset, b.data(), b.size());
      asm volatile("" ::: "memory");
    }
  });
  work();
  stop = true;
  flipper.join();
}

}  // namespace

// The check of a name and its use must see the same bytes.
TEST(FuseRace, ANameThatTurnsIntoAnotherIsReadOnce) {
  Served served;
  std::string bytes = Served::request(FUSE_LOOKUP, FUSE_ROOT_ID, terminated("../secret"));
  const std::string_view escape = "../secret";
  const std::string_view honest = "aa_secret";
  while_flipping(bytes, sizeof(fuse_in_header), honest, escape, [&] {
    // A server that checks in place, and then uses the name in place.
    const Fd root(::open(served.path().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    const char* in_place = bytes.data() + sizeof(fuse_in_header);
    bool naive_escaped = false;
    const auto until =
        std::chrono::steady_clock::now() + std::chrono::seconds(60);  // on one CPU it takes a while
    for (unsigned i = 0; !naive_escaped && (i % 1024 != 0 || std::chrono::steady_clock::now() < until); ++i) {
      asm volatile("" ::: "memory");
      if (std::memchr(in_place, '/', escape.size()) != nullptr) continue;
      naive_escaped = ::faccessat(root.get(), in_place, R_OK, 0) == 0;
    }
    EXPECT_TRUE(naive_escaped) << "the attack did not work on the naive check either";
    std::string out(4096, '\0');
    for (int i = 0; i < kRounds; ++i) {
      served.server().handle(Served::cut(bytes, 4096), Served::cut(out, 4096));
      fuse_out_header header{};
      std::memcpy(&header, out.data(), sizeof header);
      EXPECT_TRUE(header.error == -ENOENT || header.error == -EINVAL) << header.error;
    }
  });
}

TEST(FuseRace, LengthsThatGrowWhileTheyAreReadStayInBounds) {
  Served served;
  const auto made = served.create("a", O_RDWR);
  fuse_write_in in{};
  in.fh = made.as<fuse_open_out>(sizeof(fuse_entry_out)).fh;
  in.size = 5;
  const uint64_t node = made.as<fuse_entry_out>().nodeid;
  std::string bytes = Served::request(FUSE_WRITE, node, bytes_of(in) + "hello");
  const uint32_t huge = UINT32_MAX;
  const uint32_t fits = 5;
  while_flipping(bytes, sizeof(fuse_in_header) + offsetof(fuse_write_in, size), bytes_of(fits),
                 bytes_of(huge), [&] {
                   std::string out(4096, '\0');
                   for (int i = 0; i < kRounds; ++i)
                     served.server().handle(Served::cut(bytes, 7), Served::cut(out, 4096));
                 });
  EXPECT_LE(std::filesystem::file_size(served.path() / "a"), 5U);
}

TEST(FuseRace, HandlesAndNodesMayGoWhileOthersUseThem) {
  Options options = Served::writable();
  options.max_node_descriptors = 4;
  Served served(std::move(options));
  std::vector<std::thread> workers;
  workers.reserve(4);
  for (unsigned seed = 0; seed < 4; ++seed) {
    workers.emplace_back([&, seed] {
      std::mt19937 random(seed);
      const auto call = [&](uint32_t opcode, uint64_t node, const std::string& body) {
        std::string bytes = Served::request(opcode, node, body);
        std::string out(8192, '\0');
        const size_t size = served.server().handle(Served::cut(bytes, 64), Served::cut(out, 512));
        out.resize(size);
        return out;
      };
      for (int i = 0; i < kRounds; ++i) {
        const std::string name = terminated(std::string(1, static_cast<char>('a' + random() % 4)));
        const uint64_t node = 1 + random() % 64;
        const uint64_t fh = 1 + random() % 64;
        fuse_read_in read{};
        read.fh = fh;
        read.size = 100;
        switch (random() % 11) {
          case 0:
            call(FUSE_CREATE, 1, bytes_of(fuse_create_in{O_RDWR, S_IFREG | 0644, 0, 0}) + name);
            break;
          case 1:
            call(FUSE_UNLINK, 1, name);
            break;
          case 2:
            call(FUSE_LOOKUP, 1, name);
            break;
          case 3:
            call(FUSE_FORGET, node, bytes_of(fuse_forget_in{1}));
            break;
          case 4:
            call(FUSE_RELEASE, node, bytes_of(fuse_release_in{fh, 0, 0, 0}));
            break;
          case 5:
            call(FUSE_READ, node, bytes_of(read));
            break;
          case 6:
            call(FUSE_OPENDIR, 1, bytes_of(fuse_open_in{}));
            break;
          case 7:
            call(FUSE_READDIRPLUS, 1, bytes_of(read));
            break;
          case 8:
            call(FUSE_GETATTR, node, bytes_of(fuse_getattr_in{}));
            break;
          case 9:
            call(FUSE_RENAME, 1, bytes_of(fuse_rename_in{1}) + name + terminated("a"));
            break;
          default:
            call(FUSE_RELEASEDIR, 1, bytes_of(fuse_release_in{fh, 0, 0, 0}));
            break;
        }
        if (i % 1000 == 999) served.init();
      }
    });
  }
  for (std::thread& worker : workers) worker.join();
  served.server().reset();
  EXPECT_EQ(served.server().usage().nodes, 1U);
  EXPECT_EQ(served.server().usage().handles, 0U);
  EXPECT_EQ(served.server().usage().node_descriptors, 1U);
}

}  // namespace sandstone::fs
