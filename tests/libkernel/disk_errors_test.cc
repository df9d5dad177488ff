// Disks that fail and disks that are full: callers get EIO or ENOSPC, and the kernel goes on.
#include <atomic>
#include <thread>

#include "devices/block.h"
#include "devices/faulty_store.h"
#include "devices/image.h"
#include "libkernel/kernel.h"
#include "tree.h"

namespace sandstone {
namespace {

using devices::FaultyStore;
using Call = FaultyStore::Call;

// A kernel over a disk that fails as told: the C API has no such disk, so this is what is below it.
class FaultyDisk : public ::testing::Test {
 protected:
  void SetUp() override { start({}); }

  void start(const std::vector<std::string>& format, uint64_t mebibytes = 64) {
    make_ext4(image_, mebibytes, {}, format);
    if (HasFatalFailure()) return;
    auto store = devices::open_image(image_, {.mode = devices::ImageOptions::Mode::persistent});
    ASSERT_TRUE(store.ok()) << store.error().line();
    auto faulty = std::make_unique<FaultyStore>(std::move(*store));
    store_ = faulty.get();
    std::vector<std::unique_ptr<devices::Device>> disks;
    disks.push_back(std::make_unique<devices::Block>(std::move(faulty)));
    libkernel::BootOptions options;
    options.command_line = "quiet";
    auto booted = libkernel::Kernel::boot(options, std::move(disks));
    ASSERT_TRUE(booted.ok()) << booted.error().line();
    kernel_ = std::move(*booted);
    first_ = kernel_->take_carrier();
    ASSERT_EQ(kernel_->header().bind(first_, 1), 0);
    for (const auto& [path, type] : {std::pair{"/dev", "devtmpfs"}, std::pair{"/proc", "proc"}}) {
      call(SYS_mkdir, path, 0755);
      ASSERT_EQ(call(SYS_mount, type, path, type, 0, nullptr), 0);
    }
    call(SYS_mkdir, "/disk", 0755);
  }
  void mount(const char* options) {
    ASSERT_EQ(call(SYS_mount, "/dev/vda", "/disk", "ext4", 0, options), 0) << kernel_->log();
  }

  // Still alive, and lets go of the disk; whatever was wrong with it, e2fsck puts right.
  void TearDown() override {
    if (!kernel_) return;
    for (const Call one : {Call::read, Call::write, Call::discard, Call::zero, Call::flush})
      store_->fail(one, 0, 1, 0);
    EXPECT_TRUE(kernel_->running()) << kernel_->log();
    const int64_t unmounted = call(SYS_umount2, "/disk", 0);
    EXPECT_TRUE(unmounted == 0 || unmounted == -EINVAL) << unmounted;
    call(LIB_CALL_HALT);
    EXPECT_EQ(kernel_->state(), uint32_t{LIB_HALTED}) << kernel_->log();
    kernel_.reset();
    EXPECT_LE(run({"e2fsck", "-fy", image_}).status, 1);
    expect_clean(image_);
  }

  template <typename... Words>
  int64_t call_as(lib_carrier* carrier, int64_t number, Words... words) {
    const uint64_t all[6] = {as_word(words)...};
    const int64_t result = kernel_->header().enter(carrier, static_cast<lib_u64>(number), all[0], all[1],
                                                   all[2], all[3], all[4], all[5]);
    return result;
  }
  template <typename... Words>
  int64_t call(int64_t number, Words... words) {
    return call_as(first_, number, words...);
  }
  lib_carrier* child() {
    const int64_t pid = call(LIB_CALL_CLONE, SIGCHLD, 0);
    EXPECT_GT(pid, 0);
    lib_carrier* carrier = kernel_->take_carrier();
    EXPECT_EQ(kernel_->header().bind(carrier, static_cast<int32_t>(pid)), 0);
    return carrier;
  }

  void always(Call what, int error) { store_->fail(what, error, 1, ~0U); }
  void well(Call what) { store_->fail(what, 0, 1, 0); }
  void drop_caches() {
    const int64_t fd = call(SYS_open, "/proc/sys/vm/drop_caches", O_WRONLY);
    EXPECT_EQ(call(SYS_write, fd, "3", 1), 1);
    call(SYS_close, fd);
  }
  int64_t create(const char* path, size_t size = 100'000, int flags = 0) {
    const int64_t fd = call(SYS_open, path, O_CREAT | O_RDWR | flags, 0644);
    if (fd < 0) return fd;
    const std::string content(size, 'c');
    const int64_t wrote = call(SYS_write, fd, content.data(), content.size());
    call(SYS_close, fd);
    return wrote;
  }

  template <typename Word>
  static uint64_t as_word(Word word) {
    if constexpr (std::is_pointer_v<Word>) {
      return reinterpret_cast<uint64_t>(word);
    } else if constexpr (std::is_null_pointer_v<Word>) {
      return 0;
    } else {
      return static_cast<uint64_t>(word);
    }
  }

  Scratch scratch_;
  std::string image_ = scratch_ / "image";
  std::unique_ptr<libkernel::Kernel> kernel_;
  FaultyStore* store_ = nullptr;
  lib_carrier* first_ = nullptr;
};

TEST_F(FaultyDisk, ReadsFailAndRecover) {
  mount(nullptr);
  ASSERT_EQ(create("/disk/file"), 100'000);
  ASSERT_EQ(call(SYS_mkdir, "/disk/folder", 0755), 0);
  ASSERT_EQ(create("/disk/folder/inside"), 100'000);
  call(SYS_sync);
  const int64_t fd = call(SYS_open, "/disk/file", O_RDONLY);
  for (int i = 0; i < 3; ++i) {
    drop_caches();
    always(Call::read, EIO);
    std::string back(100'000, '?');
    EXPECT_EQ(call(SYS_pread64, fd, back.data(), back.size(), 0), -EIO);
    const int64_t opened = call(SYS_open, "/disk/folder/inside", O_RDONLY);
    EXPECT_TRUE(opened == -EIO || opened == -ENOENT || opened >= 0) << opened;
    if (opened >= 0) call(SYS_close, opened);
    well(Call::read);
    EXPECT_EQ(call(SYS_pread64, fd, back.data(), back.size(), 0), 100'000);
    EXPECT_EQ(back, std::string(100'000, 'c'));
  }
  EXPECT_EQ(call(SYS_close, fd), 0);
}

TEST_F(FaultyDisk, DataThatIsNotWrittenFailsFsync) {
  mount("errors=continue");
  const int64_t fd = call(SYS_open, "/disk/file", O_CREAT | O_RDWR, 0644);
  const std::string content(50'000, 'd');
  ASSERT_EQ(call(SYS_write, fd, content.data(), content.size()), 50'000);
  ASSERT_EQ(call(SYS_fsync, fd), 0);
  // Only data, in place: the journal has nothing to do with it.
  ASSERT_EQ(call(SYS_pwrite64, fd, content.data(), 4096, 4096), 4096);
  store_->fail(Call::write, EIO, 1, 1);
  EXPECT_EQ(call(SYS_fsync, fd), -EIO);
  well(Call::write);
  EXPECT_EQ(call(SYS_pwrite64, fd, content.data(), 4096, 4096), 4096);
  EXPECT_EQ(call(SYS_fsync, fd), 0);
  call(SYS_close, fd);
}

TEST_F(FaultyDisk, AnAbortedJournalMakesItReadOnly) {
  mount("errors=remount-ro");
  ASSERT_EQ(create("/disk/before"), 100'000);
  call(SYS_sync);
  always(Call::write, EIO);
  EXPECT_EQ(create("/disk/during"), 100'000);  // in memory
  const int64_t fd = call(SYS_open, "/disk/during", O_RDWR);
  ASSERT_GE(fd, 0);
  EXPECT_EQ(call(SYS_fsync, fd), -EIO);
  call(SYS_close, fd);
  const int64_t disk = call(SYS_open, "/disk", O_RDONLY | O_DIRECTORY);
  EXPECT_LT(call(SYS_fsync, disk), 0);  // and now the journal itself
  call(SYS_close, disk);
  well(Call::write);
  int64_t after = 0;
  for (int i = 0; i < 100 && after != -EROFS && after != -EIO; ++i) after = create("/disk/after", 10, O_SYNC);
  EXPECT_TRUE(after == -EROFS || after == -EIO) << after;
  std::string back(100'000, '?');
  const int64_t before = call(SYS_open, "/disk/before", O_RDONLY);
  if (before == -EIO) return;  // from Linux 6.12 on ext4 stops altogether
  EXPECT_EQ(call(SYS_read, before, back.data(), back.size()), 100'000);
  call(SYS_close, before);
}

TEST_F(FaultyDisk, FlushesThatFailFailFsync) {
  mount(nullptr);
  const int64_t fd = call(SYS_open, "/disk/file", O_CREAT | O_RDWR, 0644);
  ASSERT_EQ(call(SYS_write, fd, "x", 1), 1);
  always(Call::flush, EIO);
  EXPECT_LT(call(SYS_fsync, fd), 0);
  call(SYS_close, fd);
}

// The host's disk is full: to the guest its disk is broken, not full.
TEST_F(FaultyDisk, AFullHostIsAnIoError) {
  mount(nullptr);
  const int64_t fd = call(SYS_open, "/disk/file", O_CREAT | O_RDWR, 0644);
  ASSERT_EQ(call(SYS_write, fd, "x", 1), 1);
  ASSERT_EQ(call(SYS_fsync, fd), 0);
  always(Call::write, ENOSPC);
  ASSERT_EQ(call(SYS_write, fd, "y", 1), 1);
  EXPECT_EQ(call(SYS_fsync, fd), -EIO);
  call(SYS_close, fd);
}

TEST_F(FaultyDisk, CannotBeMountedWhileItFails) {
  always(Call::read, EIO);
  EXPECT_LT(call(SYS_mount, "/dev/vda", "/disk", "ext4", 0, nullptr), 0);
  well(Call::read);
  drop_caches();
  mount(nullptr);
  EXPECT_EQ(create("/disk/file"), 100'000);
}

// Errors now and then, under load: every call comes back, with a result or an error.
TEST_F(FaultyDisk, FailsNowAndThenUnderLoad) {
  mount("errors=continue");
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  std::atomic<uint64_t> failed{0}, done{0};
  const uint64_t seed = test_seed();
  for (unsigned i = 0; i < 6; ++i) {
    lib_carrier* task = child();
    threads.emplace_back([&, i, task] {
      std::minstd_rand random(static_cast<uint32_t>(seed + i));
      std::string data(40'000, 'l');
      while (!stop) {
        const std::string path = "/disk/load" + std::to_string(i) + "_" + std::to_string(random() % 10);
        const int64_t fd = call_as(task, SYS_open, path.c_str(), O_CREAT | O_RDWR, 0644);
        int64_t result = fd;
        if (fd >= 0) {
          result = call_as(task, SYS_pwrite64, fd, data.data(), random() % data.size(), random() % 1'000'000);
          if (random() % 3 == 0) result = call_as(task, SYS_fsync, fd);
          if (random() % 3 == 0)
            result = call_as(task, SYS_pread64, fd, data.data(), data.size(), random() % 500'000);
          call_as(task, SYS_close, fd);
        }
        if (random() % 4 == 0) result = call_as(task, SYS_unlink, path.c_str());
        if (result < 0) {
          EXPECT_TRUE(result == -EIO || result == -EROFS || result == -ENOENT || result == -ENOSPC ||
                      result == -EUCLEAN || result == -EBADMSG)
              << result;
          ++failed;
        }
        ++done;
      }
      call_as(task, SYS_exit_group, 0);
    });
  }
  std::minstd_rand random(static_cast<uint32_t>(seed));
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(soak() ? 60 : 3);
  while (std::chrono::steady_clock::now() < end) {
    const Call what = random() % 2 == 0 ? Call::read : random() % 4 == 0 ? Call::flush : Call::write;
    store_->fail(what, EIO, static_cast<unsigned>(1 + random() % 200),
                 static_cast<unsigned>(1 + random() % 4));
    if (random() % 8 == 0) drop_caches();
    std::this_thread::sleep_for(std::chrono::milliseconds(random() % 20));
  }
  stop = true;
  for (auto& thread : threads) thread.join();
  EXPECT_GT(done, 0U);
}

TEST_F(FaultyDisk, FullAndFreeAgain) {
  mount(nullptr);
  for (int round = 0; round < 3; ++round) {
    // Without delayed allocation's promise: each block is taken as it is written.
    std::vector<std::string> files;
    int64_t last = 0;
    while (files.size() < 2000) {
      files.push_back("/disk/full" + std::to_string(files.size()));
      last = create(files.back().c_str(), 1'000'000, round == 1 ? O_SYNC : 0);
      if (last != 1'000'000) break;
    }
    EXPECT_TRUE(last == -ENOSPC || (last >= 0 && last < 1'000'000)) << last;
    EXPECT_EQ(create("/disk/more", 1'000'000), -ENOSPC);
    // Reading, and writing what has its blocks, goes on.
    const int64_t fd = call(SYS_open, files.front().c_str(), O_RDWR);
    ASSERT_GE(fd, 0);
    EXPECT_EQ(call(SYS_pwrite64, fd, "again", 5, 1000), 5);
    EXPECT_EQ(call(SYS_fsync, fd), 0);
    EXPECT_EQ(call(SYS_fallocate, fd, 0, 0, 1 << 30), -ENOSPC);
    EXPECT_EQ(call(SYS_ftruncate, fd, 1'000'000), 0);
    call(SYS_close, fd);
    for (const std::string& file : files) call(SYS_unlink, file.c_str());
    call(SYS_unlink, "/disk/more");
    call(SYS_sync);
    EXPECT_EQ(create("/disk/new", 1'000'000), 1'000'000);
    EXPECT_EQ(call(SYS_unlink, "/disk/new"), 0);
  }
}

class FewInodes : public FaultyDisk {
  void SetUp() override { start({"-N", "64"}); }
};
TEST_F(FewInodes, RunOutAndComeBack) {
  mount(nullptr);
  int made = 0;
  int64_t last = 0;
  while ((last = create(("/disk/f" + std::to_string(made)).c_str(), 1)) == 1) ++made;
  EXPECT_EQ(last, -ENOSPC);
  EXPECT_GT(made, 10);
  EXPECT_EQ(call(SYS_mkdir, "/disk/folder", 0755), -ENOSPC);
  EXPECT_EQ(call(SYS_unlink, "/disk/f0"), 0);
  EXPECT_EQ(create("/disk/again", 1), 1);
}

}  // namespace
}  // namespace sandstone
