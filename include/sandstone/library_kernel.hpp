// The library kernel's C++ face: library_kernel.h with ownership and Result.
//
//   auto kernel = sandstone::LibraryKernel::boot();
//   if (!kernel) { std::cerr << kernel.error().line() << '\n'; return 125; }
//   int64_t fd = kernel->first_task().call(SYS_openat, AT_FDCWD, "/hello", O_CREAT | O_RDWR, 0644);
//
// The rules of library_kernel.h hold: one kernel in a process, one call at a time for a task.
#pragma once

#include <sandstone/library_kernel.h>
#include <sandstone/result.h>

#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace sandstone {

// A task of a kernel's. What a KernelTask owns it lets go of when it ends; the task itself lives on until it
// exits.
class KernelTask {
 public:
  KernelTask() = default;
  explicit KernelTask(sandstone_task* task) : task_(task) {}  // owns it

  // A system call with numbers, enums and pointers as they are: the result, or -errno.
  template <typename... Words>
  int64_t call(int64_t number, Words... words) {
    static_assert(sizeof...(words) <= 6);
    const uint64_t all[6] = {as_word(words)...};
    return sandstone_call(task_.get(), number, all[0], all[1], all[2], all[3], all[4], all[5]);
  }

  // A new task: see sandstone_task_clone.
  [[nodiscard]] Result<KernelTask> clone(uint64_t flags, int32_t pid = 0) {
    sandstone_task* made = nullptr;
    if (const int err = sandstone_task_clone(task_.get(), flags, pid, &made); err < 0)
      return Error{"clone", std::strerror(-err), {}};
    return KernelTask(made);
  }

  int interrupt() { return sandstone_task_interrupt(task_.get()); }
  int exit(int status) { return sandstone_task_exit(task_.release(), status); }
  [[nodiscard]] int32_t pid() const { return sandstone_task_pid(task_.get()); }
  [[nodiscard]] sandstone_task* get() const { return task_.get(); }

 private:
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
  struct Release {
    void operator()(sandstone_task* task) const { sandstone_task_release(task); }
  };
  std::unique_ptr<sandstone_task, Release> task_;
};

struct LibraryKernelOptions {
  uint64_t memory = 0;  // bytes; 0: 256 MiB
  std::string command_line = "quiet";
  std::string image;                          // empty: the one that came with this library
  std::function<void(std::string_view)> log;  // on a thread of the kernel's
};

class LibraryKernel {
 public:
  using Options = LibraryKernelOptions;

  [[nodiscard]] static Result<LibraryKernel> boot(Options options = {}) {
    LibraryKernel made;
    made.log_ = std::make_unique<std::function<void(std::string_view)>>(std::move(options.log));
    sandstone_kernel_options given{};
    given.size = sizeof given;
    given.memory = options.memory;
    given.command_line = options.command_line.c_str();
    given.image = options.image.empty() ? nullptr : options.image.c_str();
    if (*made.log_) {
      given.log = [](void* context, const char* text, size_t length) {
        (*static_cast<std::function<void(std::string_view)>*>(context))({text, length});
      };
      given.log_context = made.log_.get();
    }
    char error[1024];
    sandstone_kernel* kernel = nullptr;
    if (sandstone_kernel_boot(&given, &kernel, error, sizeof error) != 0) return Error{"", error, ""};
    made.kernel_.reset(kernel);
    made.first_ = KernelTask(sandstone_kernel_first_task(kernel));
    return made;
  }

  // Its tasks must be let go of before.
  int halt() {
    first_ = {};
    return sandstone_kernel_halt(kernel_.release());
  }

  [[nodiscard]] KernelTask& first_task() { return first_; }
  [[nodiscard]] sandstone_kernel* get() const { return kernel_.get(); }

  Result<int> add_disk(const std::string& path, unsigned flags = 0) {
    return number([&](char* error, size_t size) {
      return sandstone_kernel_add_disk(kernel_.get(), path.c_str(), flags, error, size);
    });
  }
  Result<int> add_folder(const std::string& path, const std::string& tag, unsigned flags = 0) {
    return number([&](char* error, size_t size) {
      return sandstone_kernel_add_folder(kernel_.get(), path.c_str(), tag.c_str(), flags, error, size);
    });
  }
  int mount_disk(int disk, const std::string& target, const char* type = nullptr, uint64_t flags = 0) {
    return sandstone_kernel_mount_disk(kernel_.get(), disk, target.c_str(), type, flags);
  }
  int mount_basics() { return sandstone_kernel_mount_basics(kernel_.get()); }

  [[nodiscard]] std::string console() const {
    std::string text(sandstone_kernel_console(kernel_.get(), nullptr, 0) + 1, '\0');
    sandstone_kernel_console(kernel_.get(), text.data(), text.size());
    text.resize(std::strlen(text.c_str()));
    return text;
  }

 private:
  LibraryKernel() = default;

  template <typename Add>
  static Result<int> number(Add add) {
    char error[1024];
    const int result = add(error, sizeof error);
    if (result < 0) return Error{"", error, ""};
    return result;
  }

  struct Halt {
    void operator()(sandstone_kernel* kernel) const { sandstone_kernel_halt(kernel); }
  };
  std::unique_ptr<std::function<void(std::string_view)>> log_;
  std::unique_ptr<sandstone_kernel, Halt> kernel_;
  KernelTask first_;  // goes before the kernel does
};

}  // namespace sandstone
