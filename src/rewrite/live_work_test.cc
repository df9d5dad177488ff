#include "rewrite/live_work.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <csetjmp>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace sandstone::rewrite {
namespace {

// The kernel's own answer, by no libc.
long raw_call(long number) {
  long answer;
  asm volatile("syscall" : "=a"(answer) : "a"(number) : "rcx", "r11", "memory");
  return answer;
}

int compare(const void* a, const void* b) {
  const int x = *static_cast<const int*>(a);
  const int y = *static_cast<const int*>(b);
  return (x > y) - (x < y);
}

std::atomic<int> signals = 0;
void count_signal(int) {
  ++signals;
}

// An address that nothing is mapped at.
int* volatile nowhere = reinterpret_cast<int*>(64);  // NOLINT

sigjmp_buf way_out;
void jump_out(int) {
  ::siglongjmp(way_out, 1);
}

}  // namespace

#define MUST(condition) \
  if (!(condition)) return __LINE__

int work_on_files() {
  MUST(::getpid() == raw_call(SYS_getpid));
  char folder[] = "/tmp/rewrite-XXXXXX";
  MUST(::mkdtemp(folder) != nullptr);
  const std::string path = std::string(folder) + "/file";
  for (int i = 0; i < 50; ++i) {
    const std::string name = path + std::to_string(i);
    const int fd = ::open(name.c_str(), O_RDWR | O_CREAT | O_EXCL, 0600);
    MUST(fd >= 0);
    MUST(::write(fd, "hello", 5) == 5);
    MUST(::lseek(fd, 1, SEEK_SET) == 1);
    char back[8] = {};
    MUST(::read(fd, back, sizeof back) == 4 && std::strcmp(back, "ello") == 0);
    MUST(::pread(fd, back, 2, 0) == 2 && back[0] == 'h');
    struct stat status;
    MUST(::fstat(fd, &status) == 0 && status.st_size == 5);
    MUST(::close(fd) == 0);
    MUST(::read(fd, back, 1) == -1 && errno == EBADF);
  }
  MUST(::rename((path + "0").c_str(), (path + "x").c_str()) == 0);
  MUST(::open((path + "0").c_str(), O_RDONLY) == -1 && errno == ENOENT);
  DIR* listing = ::opendir(folder);
  MUST(listing != nullptr);
  int entries = 0;
  while (const dirent* entry = ::readdir(listing))
    if (entry->d_name[0] != '.') {
      ++entries;
      MUST(::unlinkat(::dirfd(listing), entry->d_name, 0) == 0);
    }
  MUST(::closedir(listing) == 0 && entries == 50);
  MUST(::rmdir(folder) == 0);

  int pair[2];
  MUST(::socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
  pollfd wanted{pair[0], POLLIN, 0};
  MUST(::poll(&wanted, 1, 0) == 0);
  MUST(::send(pair[1], "x", 1, 0) == 1);
  MUST(::poll(&wanted, 1, 1000) == 1);
  const int epoll = ::epoll_create1(0);
  epoll_event event{.events = EPOLLIN, .data = {.u64 = 7}};
  MUST(::epoll_ctl(epoll, EPOLL_CTL_ADD, pair[0], &event) == 0);
  event = {};
  MUST(::epoll_wait(epoll, &event, 1, 1000) == 1 && event.data.u64 == 7);
  return 0;
}

int work_on_memory() {
  std::vector<int> numbers(100000);
  unsigned state = 1;
  for (int& number : numbers) number = static_cast<int>((state = state * 1664525 + 1013904223) >> 1);
  std::qsort(numbers.data(), numbers.size(), sizeof numbers[0], compare);
  for (size_t i = 1; i < numbers.size(); ++i) MUST(numbers[i - 1] <= numbers[i]);
  for (size_t size = 1 << 20; size < 16U << 20; size += 1 << 20) {
    std::string big(size, 'b');
    MUST(big.back() == 'b');
  }
  void* map = ::mmap(nullptr, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  MUST(map != MAP_FAILED);
  map = ::mremap(map, 8192, 65536, MREMAP_MAYMOVE);
  MUST(map != MAP_FAILED && ::munmap(map, 65536) == 0);
  try {
    throw std::string("caught");
  } catch (const std::string& caught) {
    MUST(caught == "caught");
  }
  return 0;
}

int work_with_threads() {
  std::mutex mutex;
  std::condition_variable turn;
  int count = 0;
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&, i] {
      for (int k = 0; k < 500; ++k) {
        std::unique_lock lock(mutex);
        turn.wait(lock, [&] { return count % 4 == i; });
        ++count;
        turn.notify_all();
      }
    });
  for (std::thread& thread : threads) thread.join();
  MUST(count == 2000);
  for (int i = 0; i < 100; ++i) {
    long id = 0;
    std::thread([&] { id = ::gettid(); }).join();
    MUST(id > 0 && id != ::getpid());
  }
  return 0;
}

int work_with_cancellation() {
  int pipes[2];
  MUST(::pipe(pipes) == 0);
  for (int i = 0; i < 20; ++i) {
    pthread_t thread;
    MUST(::pthread_create(
             &thread, nullptr,
             [](void* fd) -> void* {
               char byte;
               (void)!::read(*static_cast<int*>(fd), &byte, 1);
               return nullptr;
             },
             pipes) == 0);
    if (i % 2 == 0) ::usleep(1000);
    MUST(::pthread_cancel(thread) == 0);
    void* result = nullptr;
    MUST(::pthread_join(thread, &result) == 0 && result == PTHREAD_CANCELED);
  }
  return 0;
}

int work_with_processes() {
  for (int i = 0; i < 20; ++i) {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(::getpid() == raw_call(SYS_getpid) ? i : 99);
    int status;
    MUST(::waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == i);
  }
  const pid_t child = ::vfork();  // NOLINT: it is what is tested
  if (child == 0) ::_exit(5);
  int status;
  MUST(::waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 5);
  std::FILE* pipe = ::popen("echo hello from $((6 * 7))", "r");
  MUST(pipe != nullptr);
  char line[64] = {};
  MUST(std::fgets(line, sizeof line, pipe) != nullptr && std::string(line) == "hello from 42\n");
  MUST(::pclose(pipe) == 0);
  MUST(WEXITSTATUS(std::system("exit 3")) == 3);
  return 0;
}

int work_with_signals() {
  struct sigaction action{};
  action.sa_handler = count_signal;
  MUST(::sigaction(SIGUSR1, &action, nullptr) == 0 && ::sigaction(SIGALRM, &action, nullptr) == 0);
  for (int i = 0; i < 20; ++i) MUST(::raise(SIGUSR1) == 0 && signals == i + 1);
  signals = 0;
  const itimerval soon{{0, 0}, {0, 10000}};
  MUST(::setitimer(ITIMER_REAL, &soon, nullptr) == 0);
  const timespec long_time{10, 0};
  MUST(::nanosleep(&long_time, nullptr) == -1 && errno == EINTR && signals == 1);

  // One that restarts the call: what the kernel goes back to must be a `syscall`.
  action.sa_flags = SA_RESTART;
  MUST(::sigaction(SIGALRM, &action, nullptr) == 0);
  int pipes[2];
  MUST(::pipe(pipes) == 0);
  const itimerval often{{0, 5000}, {0, 5000}};
  MUST(::setitimer(ITIMER_REAL, &often, nullptr) == 0);
  std::thread writer([&] {
    ::usleep(100000);
    (void)!::write(pipes[1], "x", 1);
  });
  char byte = 0;
  MUST(::read(pipes[0], &byte, 1) == 1 && byte == 'x');
  writer.join();
  const itimerval never{};
  MUST(::setitimer(ITIMER_REAL, &never, nullptr) == 0 && signals > 2);

  action = {};
  action.sa_handler = jump_out;
  MUST(::sigaction(SIGSEGV, &action, nullptr) == 0);
  if (::sigsetjmp(way_out, 1) == 0) {
    *nowhere = 1;
    return __LINE__;
  }
  // A call that faults answers EFAULT: it is the kernel that looks.
  MUST(::write(pipes[1], nowhere, 1) == -1 && errno == EFAULT);
  return 0;
}

}  // namespace sandstone::rewrite
