// System calls as such: the ABI, user memory that is not there, files, time.
#include <sys/mman.h>
#include <sys/utsname.h>

#include <atomic>
#include <ctime>
#include <thread>
#include <vector>

#include "booted.h"

namespace sandstone {
namespace {

using Calls = BootedKernel;

TEST_F(Calls, SpeakX86) {
  utsname name{};
  must(SYS_uname, &name);
  EXPECT_STREQ(name.sysname, "Linux");
  EXPECT_TRUE(std::string(name.release).starts_with("6."));
  EXPECT_EQ(task().call(9999), -ENOSYS);
  EXPECT_EQ(task().call(-1), -ENOSYS);
}

TEST_F(Calls, BadPointersGiveEfault) {
  const auto fd = must(SYS_open, "/file", O_CREAT | O_RDWR, 0644);
  const auto* bad = reinterpret_cast<const char*>(0x1234);
  EXPECT_EQ(task().call(SYS_write, fd, bad, 10), -EFAULT);
  EXPECT_EQ(task().call(SYS_open, bad, 0), -EFAULT);
  EXPECT_EQ(task().call(SYS_open, nullptr, 0), -EFAULT);
  EXPECT_EQ(task().call(SYS_write, fd, 0xffff'8000'0000'0000U, 10), -EFAULT);
  // The kernel's own memory is nobody's user memory.
  EXPECT_EQ(task().call(SYS_write, fd, 0x2000'0010'0000U, 10), -EFAULT);
  EXPECT_EQ(task().call(SYS_uname, 0x2000'0010'0000U), -EFAULT);
}

TEST_F(Calls, AHalfReadableBufferIsHalfWritten) {
  const size_t page = 4096;
  auto* two = static_cast<char*>(
      ::mmap(nullptr, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  ASSERT_NE(two, MAP_FAILED);
  std::memset(two, 'x', 2 * page);
  ASSERT_EQ(::munmap(two + page, page), 0);
  int pipe[2];
  must(SYS_pipe2, pipe, O_NONBLOCK);
  // A string that ends exactly at the page's end is no fault; one without an end is.
  std::memcpy(two + page - 6, "/file", 6);
  EXPECT_GE(task().call(SYS_open, two + page - 6, O_CREAT | O_RDWR, 0644), 0);
  two[page - 1] = '/';
  EXPECT_EQ(task().call(SYS_open, two + page - 6, O_RDONLY), -EFAULT);
  const auto fd = must(SYS_open, "/half", O_CREAT | O_RDWR, 0644);
  EXPECT_EQ(task().call(SYS_write, fd, two + page - 100, 200), 100);
  ::munmap(two, page);
}

// Another thread unmaps and maps the page while the kernel copies: EFAULT or success, never a crash.
TEST_F(Calls, MemoryThatComesAndGoes) {
  const size_t size = 1 << 16;
  auto* area =
      static_cast<char*>(::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  const auto fd = must(SYS_open, "/file", O_CREAT | O_RDWR, 0644);
  std::vector<char> data(size, 'd');
  must(SYS_pwrite64, fd, data.data(), size, 0);
  std::atomic<bool> stop{false};
  std::thread other([&] {
    while (!stop) {
      ::mmap(area, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
      ::mmap(area, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    }
  });
  int faults = 0;
  int whole = 0;
  for (int i = 0; i < 100'000 && (i < 20'000 || faults == 0 || whole == 0); ++i) {
    const int64_t got = task().call(SYS_pread64, fd, area, size, 0);
    ASSERT_TRUE(got == -EFAULT || (got >= 0 && got <= static_cast<int64_t>(size))) << got;
    whole += got == static_cast<int64_t>(size) ? 1 : 0;
    faults += got != static_cast<int64_t>(size) ? 1 : 0;
  }
  stop = true;
  other.join();
  EXPECT_GT(faults, 0);
  EXPECT_GT(whole, 0);
}

TEST_F(Calls, FilesKeepWhatIsWritten) {
  must(SYS_mkdir, "/folder", 0755);
  must(SYS_mount, "t", "/folder", "tmpfs", 0, nullptr);
  const auto fd = must(SYS_open, "/folder/file", O_CREAT | O_RDWR, 0640);
  std::vector<char> data(300'000);
  for (size_t i = 0; i < data.size(); ++i) data[i] = static_cast<char>(i * 7 + i / 251);
  EXPECT_EQ(must(SYS_write, fd, data.data(), data.size()), static_cast<int64_t>(data.size()));
  std::vector<char> back(data.size());
  for (const size_t offset : {size_t{0}, size_t{1}, size_t{4095}, size_t{77'777}}) {
    for (const size_t size : {size_t{1}, size_t{3}, size_t{7}, size_t{15}, size_t{16}, size_t{17}, size_t{31},
                              size_t{64}, size_t{255}, size_t{256}, size_t{257}, size_t{5000}}) {
      std::fill(back.begin(), back.end(), '?');
      ASSERT_EQ(must(SYS_pread64, fd, back.data(), size, offset), static_cast<int64_t>(size));
      EXPECT_EQ(std::memcmp(back.data(), data.data() + offset, size), 0) << offset << " " << size;
      EXPECT_EQ(back[size], '?');
    }
  }
  struct stat info{};
  must(SYS_fstat, fd, &info);
  EXPECT_EQ(info.st_size, static_cast<off_t>(data.size()));
  EXPECT_EQ(info.st_mode & 07777, 0640U);
}

TEST_F(Calls, TimeIsTheHosts) {
  for (const clockid_t clock : {CLOCK_REALTIME, CLOCK_MONOTONIC}) {
    timespec before{}, inside{}, after{};
    ::clock_gettime(clock, &before);
    must(SYS_clock_gettime, clock, &inside);
    ::clock_gettime(clock, &after);
    if (clock == CLOCK_MONOTONIC) continue;  // counts from this kernel's own boot
    EXPECT_LE(before.tv_sec - 1, inside.tv_sec);
    EXPECT_GE(after.tv_sec + 1, inside.tv_sec);
  }
  timespec before{}, after{};
  const timespec wait{0, 30'000'000};
  ::clock_gettime(CLOCK_MONOTONIC, &before);
  must(SYS_nanosleep, &wait, nullptr);
  ::clock_gettime(CLOCK_MONOTONIC, &after);
  EXPECT_GE((after.tv_sec - before.tv_sec) * 1'000'000'000 + after.tv_nsec - before.tv_nsec, 30'000'000);
}

}  // namespace
}  // namespace sandstone
