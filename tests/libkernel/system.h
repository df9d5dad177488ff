// System: a Linux to make calls on, the host's or the library kernel's, so that one function can walk a tree
// on either. Run: programs of the host. Both are for tests.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <sandstone/library_kernel.hpp>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

namespace sandstone {

// Whether the tests run for as long as they are meant to, or only as long as everybody's patience allows.
inline bool soak() {
  const char* wanted = std::getenv("SANDSTONE_SOAK");
  return wanted != nullptr && *wanted != '\0' && std::strcmp(wanted, "0") != 0;
}

// What a failed random test was started with; SANDSTONE_SEED repeats it.
inline uint64_t test_seed() {
  static const uint64_t seed = [] {
    const char* given = std::getenv("SANDSTONE_SEED");
    const uint64_t chosen = given != nullptr ? std::strtoull(given, nullptr, 0) : std::random_device{}();
    ::testing::Test::RecordProperty("seed", std::to_string(chosen));
    std::fprintf(stderr, "SANDSTONE_SEED=%llu\n", static_cast<unsigned long long>(chosen));
    return chosen;
  }();
  return seed;
}

class System {
 public:
  System() = default;  // the host's
  explicit System(KernelTask& task) : task_(task.get()) {}
  explicit System(sandstone_task* task) : task_(task) {}

  // The result, or -errno.
  template <typename... Words>
  int64_t operator()(int64_t number, Words... words) const {
    static_assert(sizeof...(words) <= 6);
    const uint64_t all[6] = {word(words)...};
    if (task_ != nullptr)
      return sandstone_call(task_, number, all[0], all[1], all[2], all[3], all[4], all[5]);
    const int64_t result = ::syscall(number, all[0], all[1], all[2], all[3], all[4], all[5]);
    return result == -1 ? -errno : result;
  }

 private:
  template <typename Word>
  static uint64_t word(Word value) {
    if constexpr (std::is_pointer_v<Word>) {
      return reinterpret_cast<uint64_t>(value);
    } else if constexpr (std::is_null_pointer_v<Word>) {
      return 0;
    } else {
      return static_cast<uint64_t>(value);
    }
  }
  sandstone_task* task_ = nullptr;
};

struct Ran {
  int status = -1;  // as a shell has it
  std::string output;
};

// Runs a program of the host with its output taken.
inline Ran run(const std::vector<std::string>& command) {
  std::vector<char*> words;
  for (const std::string& one : command) words.push_back(const_cast<char*>(one.c_str()));
  words.push_back(nullptr);
  int pipe[2];
  if (::pipe2(pipe, O_CLOEXEC) != 0) return {};
  const pid_t child = ::fork();
  if (child == 0) {
    ::dup2(pipe[1], 1);
    ::dup2(pipe[1], 2);
    ::setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", 1);
    ::execvp(words[0], words.data());
    ::_exit(127);
  }
  ::close(pipe[1]);
  Ran ran;
  std::array<char, 4096> part{};
  for (ssize_t got = 0; (got = ::read(pipe[0], part.data(), part.size())) > 0;)
    ran.output.append(part.data(), static_cast<size_t>(got));
  ::close(pipe[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  ran.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return ran;
}

// A folder of the host's that ends with the test.
class Scratch {
 public:
  Scratch() {
    const char* folder = std::getenv("TMPDIR");
    path_ =
        std::string(folder != nullptr && *folder != '\0' ? folder : "/var/tmp") + "/sandstone-test-XXXXXX";
    EXPECT_NE(::mkdtemp(path_.data()), nullptr);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  [[nodiscard]] std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// An ext4 image with a journal; `from`: a folder to fill it with; more of mke2fs's options.
inline void make_ext4(const std::string& path, uint64_t mebibytes, const std::string& from = {},
                      const std::vector<std::string>& options = {}) {
  std::vector<std::string> command{"mke2fs", "-q", "-F", "-t", "ext4", "-b", "4096", "-E", "root_owner=0:0"};
  command.insert(command.end(), options.begin(), options.end());
  if (!from.empty()) command.insert(command.end(), {"-d", from});
  command.insert(command.end(), {path, std::to_string(mebibytes) + "M"});
  const Ran made = run(command);
  ASSERT_EQ(made.status, 0) << made.output;
}

inline void expect_clean(const std::string& image) {
  const Ran checked = run({"e2fsck", "-fn", image});
  EXPECT_EQ(checked.status, 0) << image << ": " << checked.output;
}

}  // namespace sandstone
