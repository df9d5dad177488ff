#include "calls/table.h"

#include <gtest/gtest.h>
#include <sys/syscall.h>

#include <cerrno>
#include <fstream>
#include <map>
#include <string>

namespace sandstone::calls {
namespace {

// Numbers that Linux 6.18 has not given away on x86-64.
constexpr bool is_gap(uint32_t number) {
  return number > 336 && number < 424;
}

TEST(CallTable, DecidesOnEveryNumber) {
  for (uint32_t number = 0; number <= kLastNumber; ++number) {
    const Call* call = find(number);
    ASSERT_EQ(call == nullptr, is_gap(number)) << number;
    if (call == nullptr) continue;
    EXPECT_NE(call->name[0], '\0') << number;
    EXPECT_EQ(call->name[sizeof call->name - 1], '\0') << number;
    EXPECT_EQ(call->route == Route::refused, call->error != 0) << call->name;
    if (call->error != 0) {
      EXPECT_TRUE(call->error == ENOSYS || call->error == EPERM) << call->name;
    }
  }
}

TEST(CallTable, KnowsNothingOutside) {
  EXPECT_EQ(find(kLastNumber + 1), nullptr);
  EXPECT_EQ(find(512), nullptr) << "x32";
  EXPECT_EQ(find(0x40000000), nullptr) << "x32";
  EXPECT_EQ(find(~uint64_t{0}), nullptr);
  EXPECT_EQ(find(uint64_t{1} << 32), nullptr) << "not cut to 32 bits";
}

// The kernel's own header, which the build needs as well (src/walls).
TEST(CallTable, HasTheKernelsNames) {
  std::ifstream header("/usr/include/x86_64-linux-gnu/asm/unistd_64.h");
  std::map<uint32_t, std::string> names;
  std::string define;
  std::string macro;
  uint32_t number = 0;
  for (std::string line; std::getline(header, line);) {
    if (!line.starts_with("#define __NR_")) continue;
    std::istringstream words(line);
    if (words >> define >> macro >> number) names[number] = macro.substr(5);
  }
  ASSERT_GT(names.size(), 350U);
  for (const auto& [known, name] : names) {
    const Call* call = find(known);
    ASSERT_NE(call, nullptr) << known << " is " << name << ", which the table does not know";
    EXPECT_EQ(call->name, name) << known;
  }
}

constexpr bool is_array_length(Kind kind) {
  return kind == Kind::size || kind == Kind::natural || kind == Kind::integer || kind == Kind::length_inout;
}

TEST(CallTable, LengthsAreLengths) {
  for (const Call& call : kTable.calls) {
    for (unsigned i = 0; i < call.count; ++i) {
      const Arg& arg = call.args[i];
      const bool has_length = (arg.kind >= Kind::bytes_in && arg.kind <= Kind::messages_out);
      if (has_length) {
        EXPECT_NE(arg.with, i) << call.name;
        EXPECT_TRUE(is_array_length(call.args[arg.with].kind)) << call.name << " argument " << i;
      } else {
        EXPECT_EQ(arg.with, 0) << call.name << " argument " << i;
      }
      const bool length_comes_back = arg.kind == Kind::sockaddr_out || arg.kind == Kind::option_out;
      EXPECT_EQ(length_comes_back, has_length && call.args[arg.with].kind == Kind::length_inout) << call.name;
    }
    for (unsigned i = call.count; i < 6; ++i) EXPECT_EQ(call.args[i].kind, Kind::none) << call.name;
  }
}

Route route(long number) {
  return find(static_cast<uint64_t>(number))->route;
}

TEST(CallTable, KeepsWhatTheTwoKernelsNeedToAgreeOn) {
  for (long number :
       {SYS_fork, SYS_vfork, SYS_clone, SYS_clone3, SYS_execve, SYS_execveat, SYS_exit, SYS_exit_group,
        SYS_rt_sigreturn, SYS_sigaltstack, SYS_mmap, SYS_munmap, SYS_mremap, SYS_mprotect, SYS_brk})
    EXPECT_EQ(route(number), Route::both) << number;
  for (long number :
       {SYS_read, SYS_openat, SYS_socket, SYS_kill, SYS_nanosleep, SYS_rt_sigaction, SYS_getpid})
    EXPECT_EQ(route(number), Route::library) << number;
  for (long number : {SYS_futex, SYS_sched_yield, SYS_membarrier, SYS_mlock, SYS_mincore})
    EXPECT_EQ(route(number), Route::host) << number;
}

// No call that the host's kernel gets as it is may take a descriptor, a path or an address of a socket: those
// are names in the library kernel, and would mean something else there.
TEST(CallTable, GivesTheHostNoNames) {
  for (const Call& call : kTable.calls) {
    if (call.route != Route::host) continue;
    for (const Arg& arg : call.args)
      EXPECT_TRUE(arg.kind != Kind::fd && arg.kind != Kind::dirfd && arg.kind != Kind::path &&
                  arg.kind != Kind::text && arg.kind != Kind::sockaddr_in)
          << call.name;
  }
}

}  // namespace
}  // namespace sandstone::calls
