// What the library kernel's tests share: a booted kernel, and calls of its tasks that must succeed.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <sandstone/library_kernel.hpp>

#include <cstring>
#include <string>

namespace sandstone {

class BootedKernel : public ::testing::Test {
 protected:
  void SetUp() override {
    auto booted = LibraryKernel::boot(options_);
    ASSERT_TRUE(booted.ok()) << booted.error().line();
    kernel_ = std::make_unique<LibraryKernel>(std::move(*booted));
  }

  // What the kernel finds wrong with itself, above all with its own checks on (linux/config.debug).
  void TearDown() override {
    if (!kernel_ || kernel_->get() == nullptr) return;
    const std::string console = kernel_->console();
    EXPECT_EQ(console.find("WARNING: "), std::string::npos) << console;
    EXPECT_EQ(console.find("BUG: "), std::string::npos) << console;
  }

  LibraryKernel& kernel() { return *kernel_; }
  KernelTask& task() { return kernel_->first_task(); }

  // A call that must succeed; its result.
  template <typename... Words>
  int64_t must(KernelTask& task, int64_t number, Words... words) {
    const int64_t result = task.call(number, words...);
    EXPECT_GE(result, 0) << "call " << number << ": " << std::strerror(static_cast<int>(-result));
    return result;
  }
  template <typename... Words>
  int64_t must(int64_t number, Words... words) {
    return must(task(), number, words...);
  }

  KernelTask child(uint64_t flags = SIGCHLD) {
    auto made = task().clone(flags);
    EXPECT_TRUE(made.ok()) << made.error().line();
    return std::move(*made);
  }

  LibraryKernel::Options options_{.command_line = "loglevel=5"};  // warnings, too
  std::unique_ptr<LibraryKernel> kernel_;
};

}  // namespace sandstone
