// Booting and ending: what is left behind, and what the end looks like from inside a call.
#include <dirent.h>

#include <fstream>
#include <sstream>
#include <thread>

#include "booted.h"

namespace sandstone {
namespace {

size_t entries(const char* folder) {
  DIR* open = ::opendir(folder);
  size_t count = 0;
  while (::readdir(open) != nullptr) ++count;
  ::closedir(open);
  return count;
}

// Mappings of the library kernel's, by its addresses and its memory file's name.
size_t kernel_mappings() {
  std::ifstream maps("/proc/self/maps");
  size_t count = 0;
  for (std::string line; std::getline(maps, line);)
    count += line.find("library-kernel") != std::string::npos || line.starts_with("2200000000") ? 1 : 0;
  return count;
}

TEST(Boot, LeavesNothingBehind) {
  // Once before counting, for what the C library keeps.
  ASSERT_TRUE(LibraryKernel::boot().ok());
  const size_t threads = entries("/proc/self/task");
  const size_t files = entries("/proc/self/fd");
  for (int i = 0; i < 100; ++i) {
    auto kernel = LibraryKernel::boot();
    ASSERT_TRUE(kernel.ok()) << kernel.error().line();
    EXPECT_EQ(kernel->first_task().call(SYS_getpid), 1);
    EXPECT_EQ(kernel->halt(), 0);
  }
  EXPECT_EQ(entries("/proc/self/task"), threads);
  EXPECT_EQ(entries("/proc/self/fd"), files);
  EXPECT_EQ(kernel_mappings(), 0U);
}

TEST(Boot, OneAtATime) {
  auto first = LibraryKernel::boot();
  ASSERT_TRUE(first.ok());
  auto second = LibraryKernel::boot();
  ASSERT_FALSE(second.ok());
  EXPECT_NE(second.error().line().find("this process has one already"), std::string::npos);
  EXPECT_EQ(first->first_task().call(SYS_getpid), 1);  // unharmed
}

TEST(Boot, SaysWhatIsWrongWithTheImage) {
  auto missing = LibraryKernel::boot({.image = "/nowhere/kernel"});
  ASSERT_FALSE(missing.ok());
  EXPECT_NE(missing.error().line().find("/nowhere/kernel: cannot open"), std::string::npos);
  auto other = LibraryKernel::boot({.image = "/bin/sh"});
  ASSERT_FALSE(other.ok());
  EXPECT_NE(other.error().line().find("/bin/sh: "), std::string::npos);
  auto small = LibraryKernel::boot({.memory = 1 << 20});
  ASSERT_FALSE(small.ok());
  EXPECT_NE(small.error().line().find("memory: "), std::string::npos);
  EXPECT_TRUE(LibraryKernel::boot().ok());
}

TEST(Boot, APanicEndsEveryCallWithTheLog) {
  auto kernel = LibraryKernel::boot();
  ASSERT_TRUE(kernel.ok());
  int pipe[2];
  ASSERT_EQ(kernel->first_task().call(SYS_pipe2, pipe, 0), 0);
  auto blocked = kernel->first_task().clone(SIGCHLD);
  ASSERT_TRUE(blocked.ok());
  int64_t result = 0;
  std::thread thread([&] {
    char byte = 0;
    result = blocked->call(SYS_read, pipe[0], &byte, 1);
  });
  // Process 1 may not exit: Linux panics.
  EXPECT_EQ(kernel->first_task().call(SYS_exit_group, 3), -EIO);
  thread.join();
  EXPECT_EQ(result, -EIO);
  EXPECT_EQ(blocked->call(SYS_getpid), -EIO);
  EXPECT_EQ(sandstone_kernel_state(kernel->get()), -EIO);
  EXPECT_NE(kernel->console().find("Attempted to kill init"), std::string::npos) << kernel->console();
}

TEST(Boot, PowerOffFromInside) {
  auto kernel = LibraryKernel::boot();
  ASSERT_TRUE(kernel.ok());
  EXPECT_EQ(kernel->first_task().call(SYS_reboot, 0xfee1dead, 672274793, 0x4321fedc, 0), -EIO);
  EXPECT_EQ(sandstone_kernel_state(kernel->get()), -ESHUTDOWN);
}

}  // namespace
}  // namespace sandstone
