// The first program of docs/library-kernel.md.
#include <fcntl.h>
#include <sys/syscall.h>
#include <iostream>
#include <sandstone/library_kernel.hpp>

int main() {
  auto kernel = sandstone::LibraryKernel::boot();
  if (!kernel) {
    std::cerr << kernel.error().line() << '\n';
    return 125;
  }
  auto& task = kernel->first_task();
  const int64_t fd = task.call(SYS_openat, AT_FDCWD, "/hello", O_CREAT | O_RDWR, 0644);
  task.call(SYS_write, fd, "hello", 5);
  char text[6] = {};
  task.call(SYS_pread64, fd, text, 5, 0);
  std::cout << text << " from process " << task.call(SYS_getpid) << '\n';
  return kernel->halt() == 0 ? 0 : 1;
}
