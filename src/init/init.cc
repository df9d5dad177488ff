// Process 1 of a sandbox: starts the workload, reaps what is left to it, reports how the workload ended and takes the
// rest down with it.
//
// It is a program of its own, freestanding and a few kilobytes small, run from a sealed memfd: nothing of the
// supervisor's memory comes along, and whoever gets hold of its /proc/PID/exe cannot write to it (CVE-2019-5736). All
// walls stand before it starts, so it is as powerless as the workload.

#include <linux/prctl.h>
#include <linux/sched.h>
#include <linux/wait.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>

#include "init/protocol.h"

namespace sandstone::init {
namespace {

long call(long nr, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0, long f = 0) {
  long result = 0;
  register long r10 asm("r10") = d;
  register long r8 asm("r8") = e;
  register long r9 asm("r9") = f;
  asm volatile("syscall"
               : "=a"(result)
               : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
               : "rcx", "r11", "memory");
  return result;
}

template <typename T>
long word(T* pointer) {
  return reinterpret_cast<long>(pointer);
}

constexpr long kEintr = 4, kEacces = 13, kEnoent = 2, kEnotdir = 20, kEagain = 11, kEbusy = 16;
constexpr int kSigKill = 9, kSigChld = 17, kBlock = 0, kSetMask = 2;
constexpr int kNoHang = 1;
constexpr int kHighFd = 40;

[[noreturn]] void exit(int status) {
  for (;;) call(SYS_exit_group, status);
}

bool say(Kind kind, int32_t value) {
  Message message{kind, value, 0, {}};
  return call(SYS_write, kControlFd, word(&message), sizeof message) == sizeof message;
}

bool has_flag(const char* flags, char flag) {
  for (; *flags != '\0'; ++flags)
    if (*flags == flag) return true;
  return false;
}

const char* variable(char** environment, const char* name) {
  for (; *environment != nullptr; ++environment) {
    const char* entry = *environment;
    const char* n = name;
    while (*n != '\0' && *entry == *n) ++entry, ++n;
    if (*n == '\0' && *entry == '=') return entry + 1;
  }
  return nullptr;
}

// execvp(3), with its rules for which error counts when several folders of PATH have something to say. A script
// without a first line is not handed to a shell: what runs is what was named.
long execute(char** argv, char** environment) {
  const char* file = argv[0];
  for (const char* c = file; *c != '\0'; ++c)
    if (*c == '/') return call(SYS_execve, word(file), word(argv), word(environment));
  const char* path = variable(environment, "PATH");
  if (path == nullptr) path = "/usr/local/bin:/usr/bin:/bin";
  size_t name_size = 0;
  while (file[name_size] != '\0') ++name_size;
  long error = -kEnoent;
  char candidate[4096];
  for (;;) {
    size_t size = 0;
    for (; *path != '\0' && *path != ':'; ++path)
      if (size + name_size + 2 < sizeof candidate) candidate[size++] = *path;
    if (size > 0 && size + name_size + 2 < sizeof candidate) {
      candidate[size++] = '/';
      for (size_t i = 0; i <= name_size; ++i) candidate[size + i] = file[i];
      const long result = call(SYS_execve, word(candidate), word(argv), word(environment));
      if (result == -kEacces)
        error = result;
      else if (result != -kEnoent && result != -kEnotdir)
        return result;
    }
    if (*path == '\0') return error;
    ++path;
  }
}

// clone with CLONE_VM and CLONE_VFORK: no page of process 1 is copied, and it sleeps until the workload's exec has
// worked or failed, so the child may report through its parent's memory.
[[gnu::noinline]] long spawn(char** argv, char** environment, const char* flags, const uint64_t* mask,
                             volatile long* exec_error) {
  const long pid = call(SYS_clone, CLONE_VM | CLONE_VFORK | kSigChld, 0, 0, 0, 0);
  if (pid != 0) return pid;
  if (has_flag(flags, kFlagSession)) call(SYS_setsid);
  if (has_flag(flags, kFlagTerminal)) call(SYS_ioctl, 0, 0x540E /* TIOCSCTTY */, 0);
  call(SYS_rt_sigprocmask, kSetMask, word(mask), 0, sizeof *mask);
  *exec_error = has_flag(flags, kFlagProgram) ? call(SYS_execveat, kProgramFd, word(""), word(argv),
                                                     word(environment), 0x1000 /* AT_EMPTY_PATH */)
                                              : execute(argv, environment);
  exit(127);
}

struct PollFd {
  int fd;
  short events;
  short revents;
};

// Without a pid namespace nothing dies with us: the orphans came to us as their subreaper and are killed by name, until
// none is left. A fork bomb can outrun one pass, not the next.
void kill_children(long self) {
  char path[64] = "/proc/self/task/";
  char digits[20];
  size_t at = 16, count = 0;
  for (long value = self; value > 0; value /= 10) digits[count++] = static_cast<char>('0' + value % 10);
  while (count > 0) path[at++] = digits[--count];
  for (const char* tail = "/children"; *tail != '\0'; ++tail) path[at++] = *tail;
  path[at] = '\0';
  for (;;) {
    char text[4096];
    const long file = call(SYS_open, word(path), 0);
    if (file < 0) return;
    const long size = call(SYS_read, file, word(text), sizeof text);
    call(SYS_close, file);
    if (size <= 0) return;
    long pid = 0;
    for (long i = 0; i < size; ++i) {
      if (text[i] >= '0' && text[i] <= '9') {
        pid = pid * 10 + (text[i] - '0');
      } else if (pid > 1) {
        call(SYS_kill, pid, kSigKill);
        pid = 0;
      }
    }
    int status = 0;
    while (call(SYS_wait4, -1, word(&status), 0, 0) == -kEintr) {
    }
  }
}

// A thread that does nothing but count against RLIMIT_NPROC, until `held` is 0. It never touches the stack, which it
// shares with its maker, and so needs none: all it uses is in registers.
long start_slot_thread(volatile int* held) {
  constexpr long kThread = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM;
  long result = 0;
  register long r10 asm("r10") = 0;
  register long r8 asm("r8") = 0;
  register volatile int* word_address asm("r12") = held;
  asm volatile(
      "syscall\n"
      "test %%rax, %%rax\n"
      "jnz 2f\n"
      "1: mov %[futex], %%eax\n"
      "mov %[held], %%rdi\n"
      "xor %%esi, %%esi\n"  // FUTEX_WAIT
      "mov $1, %%edx\n"
      "xor %%r10d, %%r10d\n"
      "syscall\n"
      "cmpl $0, (%[held])\n"
      "jne 1b\n"
      "mov %[exit], %%eax\n"
      "xor %%edi, %%edi\n"
      "syscall\n"
      "2:\n"
      : "=a"(result)
      : "a"(SYS_clone), "D"(kThread), "S"(0), "d"(0), "r"(r10),
        "r"(r8), [held] "r"(word_address), [futex] "i"(SYS_futex), [exit] "i"(SYS_exit)
      : "rcx", "r11", "memory", "cc");
  return result;
}

// A place among the processes that RLIMIT_NPROC counts. Let go of and asked for again, it tells whether the workload
// wants more than its limit: nothing else does, since the kernel reports a refused fork to the forking process alone.
class Slot {
 public:
  long take() {
    // The thread that left may not be gone yet, and would be counted: that would look like the workload's doing.
    if (thread_ > 0 && call(SYS_tgkill, call(SYS_getpid), thread_, 0) == 0) return -kEbusy;
    held_ = 1;
    thread_ = start_slot_thread(&held_);
    return thread_ < 0 ? thread_ : 0;
  }
  void release() {
    held_ = 0;
    call(SYS_futex, word(&held_), 1 /* FUTEX_WAKE */, 1, 0);
  }

 private:
  volatile int held_ = 0;
  long thread_ = 0;
};

[[noreturn]] void run(int argc, char** argv, char** environment) {
  if (argc <= kFixedArguments) exit(125);
  const char* flags = argv[1];
  const bool reaper = has_flag(flags, kFlagReaper);
  // The workload must not get the control socket along: it could tell lies about its end.
  call(SYS_fcntl, kControlFd, 2 /* F_SETFD */, 1 /* FD_CLOEXEC */);
  // The workload must not trace, stop or read process 1, and process 1 must not outlive the supervisor.
  call(SYS_prctl, PR_SET_DUMPABLE, 0, 0, 0, 0);
  // Outside of a pid namespace it must live on to kill the rest, which the end of the control socket tells it to.
  if (!reaper) call(SYS_prctl, PR_SET_PDEATHSIG, kSigKill, 0, 0, 0);
  if (reaper) call(SYS_prctl, PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  call(SYS_prctl, PR_SET_NAME, word("sandstone-init"), 0, 0, 0);

  // SIGCHLD is only ever taken by signalfd, beside the supervisor's messages.
  uint64_t chld = 1ULL << (kSigChld - 1), before = 0;
  call(SYS_rt_sigprocmask, kBlock, word(&chld), word(&before), sizeof chld);
  // Above the program's descriptors, of which there are a few.
  long signals = call(SYS_signalfd4, -1, word(&chld), sizeof chld, 02000000 /* SFD_CLOEXEC */);
  signals = call(SYS_fcntl, signals, 1030 /* F_DUPFD_CLOEXEC */, kHighFd);
  if (signals < 0) exit(125);

  // The supervisor may need to act on what the walls sent it before the workload runs. End of file: it is gone.
  Message message{};
  if (call(SYS_read, kControlFd, word(&message), sizeof message) != sizeof message ||
      message.kind != Kind::go)
    exit(125);

  Slot slot;
  if (has_flag(flags, kFlagSlot) && slot.take() < 0) exit(125);
  volatile long exec_error = 0;
  const long workload = spawn(argv + kFixedArguments, environment, flags, &before, &exec_error);
  if (workload < 0 || exec_error != 0) {
    say(Kind::exec_failed, static_cast<int32_t>(-(workload < 0 ? workload : exec_error)));
    exit(127);
  }
  say(Kind::started, static_cast<int32_t>(workload));

  // The workload's streams must reach end of file when the workload's own copies are gone.
  for (int fd = 0; fd < 3; ++fd) call(SYS_close, fd);
  if (has_flag(flags, kFlagProgram)) call(SYS_close_range, kProgramFd, static_cast<int>(signals) - 1, 0);

  for (;;) {
    PollFd poll[2] = {{kControlFd, 1, 0}, {static_cast<int>(signals), 1, 0}};
    call(SYS_poll, word(poll), 2, -1);
    if (poll[0].revents != 0) {
      const long size = call(SYS_read, kControlFd, word(&message), sizeof message);
      if (size == 0 || (size < 0 && size != -kEintr && size != -kEagain)) break;  // the supervisor is gone
      if (size != sizeof message) continue;
      if (message.kind == Kind::signal) call(SYS_kill, workload, message.value);
      if (message.kind == Kind::release_slot) slot.release();
      if (message.kind == Kind::take_slot) say(Kind::slot, static_cast<int32_t>(-slot.take()));
    }
    if (poll[1].revents != 0) {
      char info[128];
      call(SYS_read, signals, word(info), sizeof info);
      for (;;) {
        int status = 0;
        const long pid = call(SYS_wait4, -1, word(&status), kNoHang, 0);
        if (pid <= 0) break;
        if (pid == workload) {
          say(Kind::exited, status);
          if (reaper) kill_children(call(SYS_getpid));
          exit(0);  // as process 1: the kernel kills the rest and waits for it
        }
      }
    }
  }
  if (reaper) kill_children(call(SYS_getpid));
  exit(125);
}

}  // namespace
}  // namespace sandstone::init

// The kernel enters with the stack pointer at argc; argv and the environment follow.
extern "C" [[noreturn, gnu::used]] void sandstone_init_main(long* stack) {
  const int argc = static_cast<int>(stack[0]);
  char** argv = reinterpret_cast<char**>(stack + 1);
  sandstone::init::run(argc, argv, argv + argc + 1);
}

asm(R"(
.globl _start
_start:
  xor %ebp, %ebp
  mov %rsp, %rdi
  and $-16, %rsp
  call sandstone_init_main
)");

// The compiler may turn loops into calls of these.
extern "C" void* memset(void* to, int value, size_t size) {
  asm volatile("rep stosb" : "+D"(to), "+c"(size) : "a"(value) : "memory");
  return to;
}
extern "C" void* memcpy(void* to, const void* from, size_t size) {
  void* result = to;
  asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
  return result;
}
