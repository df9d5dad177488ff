// Calls whose pointers mean another process's memory.
#include <signal.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "booted.h"

namespace sandstone {
namespace {

// A process that waits, with the same memory as ours was at the fork.
class OtherMemory : public BootedKernel {
 protected:
  static constexpr size_t page = 4096;

  void SetUp() override {
    BootedKernel::SetUp();
    area_ = static_cast<char*>(
        ::mmap(nullptr, 64 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    ASSERT_NE(area_, MAP_FAILED);
    ASSERT_EQ(::pipe(pipe_), 0);
    other_ = ::fork();
    if (other_ == 0) {
      std::memset(area_, 'o', 64 * page);
      std::strcpy(area_, "/file");
      ::munmap(area_ + 32 * page, page);
      if (::write(pipe_[1], "x", 1) == 1)
        for (;;) ::pause();
      ::_exit(0);
    }
    char byte = 0;
    ASSERT_EQ(::read(pipe_[0], &byte, 1), 1);
    std::memset(area_, 'm', 64 * page);
  }
  void TearDown() override {
    end_other();
    ::munmap(area_, 64 * page);
  }
  void end_other() {
    if (other_ <= 0) return;
    ::kill(other_, SIGKILL);
    ::waitpid(other_, nullptr, 0);
    other_ = 0;
  }
  // What the other has there.
  std::string look(size_t offset, size_t size) {
    std::string text(size, '?');
    const iovec here{text.data(), size}, there{area_ + offset, size};
    EXPECT_EQ(::process_vm_readv(other_, &here, 1, &there, 1, 0), static_cast<ssize_t>(size));
    return text;
  }

  char* area_ = nullptr;
  int pipe_[2] = {};
  pid_t other_ = 0;
};

TEST_F(OtherMemory, IsReadAndWritten) {
  KernelTask theirs = child(CLONE_FILES | SIGCHLD);
  ASSERT_EQ(sandstone_task_memory(theirs.get(), other_), 0);
  // Its string, its bytes.
  const auto fd = must(theirs, SYS_open, area_, O_CREAT | O_RDWR, 0644);
  EXPECT_EQ(must(theirs, SYS_write, fd, area_ + page, 20 * page), static_cast<int64_t>(20 * page));
  std::string back(20 * page, '?');
  EXPECT_EQ(must(SYS_pread64, fd, back.data(), back.size(), 0), static_cast<int64_t>(20 * page));
  EXPECT_EQ(back, std::string(20 * page, 'o'));
  EXPECT_EQ(must(SYS_pwrite64, fd, "from here", 9, 0), 9);
  EXPECT_EQ(must(theirs, SYS_pread64, fd, area_ + 100, 9, 0), 9);
  EXPECT_EQ(look(100, 9), "from here");
  EXPECT_EQ(std::string(area_ + 100, 9), "mmmmmmmmm");  // ours is as it was
  struct stat info{};
  EXPECT_EQ(must(theirs, SYS_fstat, fd, area_ + 200), 0);
  const std::string raw = look(200, sizeof info);
  std::memcpy(&info, raw.data(), sizeof info);
  EXPECT_EQ(info.st_size, static_cast<off_t>(20 * page));
}

TEST_F(OtherMemory, HasHolesToo) {
  KernelTask theirs = child(CLONE_FILES | SIGCHLD);
  ASSERT_EQ(sandstone_task_memory(theirs.get(), other_), 0);
  const auto fd = must(theirs, SYS_open, area_, O_CREAT | O_RDWR, 0644);
  // Up to the hole, and not a byte further.
  EXPECT_EQ(theirs.call(SYS_pwrite64, fd, area_ + 32 * page - 100, 200, 0), 100);
  EXPECT_EQ(theirs.call(SYS_pwrite64, fd, area_ + 32 * page, 100, 0), -EFAULT);
  must(SYS_ftruncate, fd, 8 * page);
  EXPECT_EQ(theirs.call(SYS_pread64, fd, area_ + 31 * page, 2 * page, 0), static_cast<int64_t>(page));
  EXPECT_EQ(theirs.call(SYS_open, area_ + 32 * page, O_RDONLY), -EFAULT);
  EXPECT_EQ(theirs.call(SYS_open, 0x1234, O_RDONLY), -EFAULT);
}

TEST_F(OtherMemory, MayEnd) {
  KernelTask theirs = child(CLONE_FILES | SIGCHLD);
  ASSERT_EQ(sandstone_task_memory(theirs.get(), other_), 0);
  const auto fd = must(theirs, SYS_open, area_, O_CREAT | O_RDWR, 0644);
  end_other();
  EXPECT_EQ(theirs.call(SYS_write, fd, area_ + page, 10), -EFAULT);
  EXPECT_EQ(theirs.call(SYS_open, area_, O_RDONLY), -EFAULT);
  EXPECT_EQ(theirs.call(SYS_getpid), theirs.pid());
  ASSERT_EQ(sandstone_task_memory(theirs.get(), 0), 0);
  EXPECT_EQ(theirs.call(SYS_write, fd, area_ + page, 10), 10);  // ours again
}

}  // namespace
}  // namespace sandstone
