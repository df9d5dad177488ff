#include "observe/format.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/futex.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <csignal>

#include "observe/traced_call.h"

namespace sandstone::observe {
namespace {

std::string at(const void* memory) {
  char text[32];
  std::snprintf(text, sizeof text, "%p", memory);
  return text;
}

template <typename... Args>
std::string line(int64_t result, long number, Args... args) {
  return format_text(pretended(result, number, args...));
}

TEST(TraceText, OpenReadClose) {
  EXPECT_EQ(line(3, SYS_openat, AT_FDCWD, "/etc/passwd", O_RDONLY | O_CLOEXEC),
            R"(openat(AT_FDCWD, "/etc/passwd", O_RDONLY|O_CLOEXEC) = 3)");
  EXPECT_EQ(line(4, SYS_openat, 3, "a\tb", O_WRONLY | O_CREAT | O_TRUNC, 0644),
            R"(openat(3, "a\tb", O_WRONLY|O_CREAT|O_TRUNC, 0644) = 4)");
  EXPECT_EQ(line(-ENOENT, SYS_open, "/none", O_RDWR | O_TMPFILE, 0600),
            R"(open("/none", O_RDWR|O_TMPFILE, 0600) = -1 ENOENT (No such file or directory))");
  const char text[] = "root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n";
  EXPECT_EQ(line(1234, SYS_read, 3, text, 4096),
            R"(read(3, "root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1:dae"..., 4096) = 1234)");
  EXPECT_EQ(line(0, SYS_read, 3, text, 4096), R"(read(3, "", 4096) = 0)");
  EXPECT_EQ(line(-EISDIR, SYS_read, 3, text, 4096),
            "read(3, " + at(text) + ", 4096) = -1 EISDIR (Is a directory)");
  EXPECT_EQ(line(6, SYS_write, 1, "\177ELF\2\0011", 7), R"(write(1, "\177ELF\2\0011", 7) = 6)");
  EXPECT_EQ(line(0, SYS_close, 3), "close(3) = 0");
  EXPECT_EQ(line(-EBADF, SYS_close, -1), "close(-1) = -1 EBADF (Bad file descriptor)");
  EXPECT_EQ(line(0, SYS_getppid), "getppid() = 0");
  EXPECT_EQ(line(100, SYS_lseek, 3, -5, SEEK_END), "lseek(3, -5, SEEK_END) = 100");
}

TEST(TraceText, FilesAndNames) {
  EXPECT_EQ(line(0, SYS_access, "/bin/sh", R_OK | X_OK), R"(access("/bin/sh", R_OK|X_OK) = 0)");
  EXPECT_EQ(line(0, SYS_access, "/bin/sh", F_OK), R"(access("/bin/sh", F_OK) = 0)");
  EXPECT_EQ(line(0, SYS_mkdir, "/tmp/x", 0755), R"(mkdir("/tmp/x", 0755) = 0)");
  EXPECT_EQ(line(18, SYS_umask, 077), "umask(077) = 022");
  EXPECT_EQ(line(0, SYS_unlinkat, AT_FDCWD, "d", AT_REMOVEDIR),
            R"(unlinkat(AT_FDCWD, "d", AT_REMOVEDIR) = 0)");
  EXPECT_EQ(line(0, SYS_renameat2, AT_FDCWD, "a", AT_FDCWD, "b", 1),
            R"(renameat2(AT_FDCWD, "a", AT_FDCWD, "b", RENAME_NOREPLACE) = 0)");
  EXPECT_EQ(line(6, SYS_getcwd, "/root\0", 4096), R"(getcwd("/root", 4096) = 6)");
  EXPECT_EQ(line(5, SYS_readlink, "/proc/self", "12345", 64), R"(readlink("/proc/self", "12345", 64) = 5)");
  EXPECT_EQ(line(0, SYS_mknodat, AT_FDCWD, "null", S_IFCHR | 0666, 0x103),
            R"(mknodat(AT_FDCWD, "null", S_IFCHR|0666, makedev(0x1, 0x3)) = 0)");
  EXPECT_EQ(line(0, SYS_mount, "proc", "/proc", "proc", 0x200000 | 8, nullptr),
            R"(mount("proc", "/proc", "proc", MS_NOEXEC|MS_RELATIME, NULL) = 0)");
  struct stat status{};
  status.st_mode = S_IFREG | 0644;
  status.st_size = 1234;
  EXPECT_EQ(line(0, SYS_newfstatat, 3, "", &status, AT_EMPTY_PATH),
            R"(newfstatat(3, "", {st_mode=S_IFREG|0644, st_size=1234, ...}, AT_EMPTY_PATH) = 0)");
  status.st_mode = S_IFCHR | 0620;
  status.st_rdev = 0x8803;
  EXPECT_EQ(line(0, SYS_fstat, 1, &status),
            "fstat(1, {st_mode=S_IFCHR|0620, st_rdev=makedev(0x88, 0x3), ...}) = 0");
  EXPECT_EQ(line(-ENOENT, SYS_stat, "/none", &status),
            "stat(\"/none\", " + at(&status) + ") = -1 ENOENT (No such file or directory)");
}

TEST(TraceText, LongPathsAreCut) {
  const std::string path(300, 'p');
  EXPECT_EQ(line(0, SYS_rename, path.c_str(), "/b"),
            "rename(\"" + std::string(120, 'p') + "\"..., \"/b\") = 0");
}

TEST(TraceText, FcntlAndIoctl) {
  EXPECT_EQ(line(O_RDWR | 0100000, SYS_fcntl, 1, F_GETFL),
            "fcntl(1, F_GETFL) = 0x8002 (flags O_RDWR|O_LARGEFILE)");
  EXPECT_EQ(line(1, SYS_fcntl, 1, F_GETFD), "fcntl(1, F_GETFD) = 0x1 (flags FD_CLOEXEC)");
  EXPECT_EQ(line(0, SYS_fcntl, 1, F_SETFD, FD_CLOEXEC), "fcntl(1, F_SETFD, FD_CLOEXEC) = 0");
  EXPECT_EQ(line(10, SYS_fcntl, 1, F_DUPFD_CLOEXEC, 10), "fcntl(1, F_DUPFD_CLOEXEC, 10) = 10");
  EXPECT_EQ(line(0, SYS_fcntl, 4, F_SETFL, O_RDONLY | O_NONBLOCK),
            "fcntl(4, F_SETFL, O_RDONLY|O_NONBLOCK) = 0");
  struct flock lock{};
  lock.l_type = F_WRLCK;
  lock.l_len = 10;
  EXPECT_EQ(line(0, SYS_fcntl, 3, F_SETLK, &lock),
            "fcntl(3, F_SETLK, {l_type=F_WRLCK, l_whence=SEEK_SET, l_start=0, l_len=10}) = 0");
  winsize window{24, 80, 0, 0};
  EXPECT_EQ(line(0, SYS_ioctl, 1, TIOCGWINSZ, &window),
            "ioctl(1, TIOCGWINSZ, {ws_row=24, ws_col=80, ws_xpixel=0, ws_ypixel=0}) = 0");
  EXPECT_EQ(line(-ENOTTY, SYS_ioctl, 3, TCGETS, &window),
            "ioctl(3, TCGETS, " + at(&window) + ") = -1 ENOTTY (Inappropriate ioctl for device)");
  EXPECT_EQ(line(-ENOTTY, SYS_ioctl, 3, _IOR(0x12, 0x99, int), 0),
            "ioctl(3, _IOC(_IOC_READ, 0x12, 0x99, 0x4), 0) = -1 ENOTTY (Inappropriate ioctl for device)");
}

TEST(TraceText, Memory) {
  EXPECT_EQ(line(0x7f0000001000, SYS_mmap, nullptr, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                 -1, 0),
            "mmap(NULL, 8192, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7f0000001000");
  EXPECT_EQ(
      line(0x7f0000001000, SYS_mmap, 0x7f0000001000, 4096, PROT_NONE, MAP_SHARED | MAP_FIXED, 3, 0x3000),
      "mmap(0x7f0000001000, 4096, PROT_NONE, MAP_SHARED|MAP_FIXED, 3, 0x3000) = 0x7f0000001000");
  EXPECT_EQ(line(0x555555000000, SYS_brk, nullptr), "brk(NULL) = 0x555555000000");
  EXPECT_EQ(line(0, SYS_madvise, 0x1000, 4096, MADV_DONTNEED), "madvise(0x1000, 4096, MADV_DONTNEED) = 0");
  EXPECT_EQ(line(0, SYS_futex, 0x1000, FUTEX_WAIT_PRIVATE, 2, nullptr),
            "futex(0x1000, FUTEX_WAIT_PRIVATE, 2, NULL) = 0");
  EXPECT_EQ(line(1, SYS_futex, 0x1000, FUTEX_WAKE, 1), "futex(0x1000, FUTEX_WAKE, 1) = 1");
  EXPECT_EQ(line(0, SYS_futex, 0x1000, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, 4, nullptr, nullptr, -1),
            "futex(0x1000, FUTEX_WAIT_BITSET|FUTEX_CLOCK_REALTIME, 4, NULL, FUTEX_BITSET_MATCH_ANY) = 0");
  EXPECT_EQ(line(3, SYS_memfd_create, "x", MFD_CLOEXEC), R"(memfd_create("x", MFD_CLOEXEC) = 3)");
}

TEST(TraceText, Processes) {
  EXPECT_EQ(
      line(123, SYS_clone, CLONE_CHILD_CLEARTID | CLONE_CHILD_SETTID | SIGCHLD, nullptr, nullptr, 0x7f10),
      "clone(child_stack=NULL, flags=CLONE_CHILD_CLEARTID|CLONE_CHILD_SETTID|SIGCHLD, child_tidptr=0x7f10) = "
      "123");
  const char* argv[] = {"ls", "-l", "a\"b", nullptr};
  const char* env[] = {"A=1", "B=2", nullptr};
  Record exec = pretended(0, SYS_execve, "/bin/ls", argv, env);
  EXPECT_EQ(format_text(exec), R"(execve("/bin/ls", ["ls", "-l", "a\"b"], )" +
                                   at(static_cast<const void*>(env)) + " /* 2 vars */) = 0");
  const std::string word(30, 'w');
  std::vector<const char*> many(20, word.c_str());
  many.push_back(nullptr);
  const std::string one = "\"" + word + "\", ";
  EXPECT_EQ(
      line(0, SYS_execve, "/bin/ls", many.data(), nullptr),
      "execve(\"/bin/ls\", [" + one + one + one + one + one + one + one + "\"www\"..., ...], NULL) = 0");
  Record exit{};
  capture_entry(exit, SYS_exit_group, {7}, copy_own_memory);
  EXPECT_EQ(format_text(exit), "exit_group(7) = ?");
  int status = 0;
  EXPECT_EQ(line(5, SYS_wait4, -1, &status, WNOHANG, nullptr),
            "wait4(-1, [{WIFEXITED(s) && WEXITSTATUS(s) == 0}], WNOHANG, NULL) = 5");
  status = SIGKILL;
  EXPECT_EQ(line(5, SYS_wait4, 5, &status, 0, nullptr),
            "wait4(5, [{WIFSIGNALED(s) && WTERMSIG(s) == SIGKILL}], 0, NULL) = 5");
  status = 0x137f;
  EXPECT_EQ(line(5, SYS_wait4, 5, &status, WUNTRACED, nullptr),
            "wait4(5, [{WIFSTOPPED(s) && WSTOPSIG(s) == SIGSTOP}], WSTOPPED, NULL) = 5");
  EXPECT_EQ(line(0, SYS_wait4, 5, &status, WNOHANG, nullptr),
            "wait4(5, " + at(&status) + ", WNOHANG, NULL) = 0");
  const uint64_t limit[2] = {uint64_t{8192} * 1024, ~uint64_t{0}};
  EXPECT_EQ(line(0, SYS_prlimit64, 0, 3, nullptr, limit),
            "prlimit64(0, RLIMIT_STACK, NULL, {rlim_cur=8192*1024, rlim_max=RLIM64_INFINITY}) = 0");
  const timespec second{1, 0};
  EXPECT_EQ(line(0, SYS_clock_nanosleep, CLOCK_REALTIME, 0, &second, nullptr),
            "clock_nanosleep(CLOCK_REALTIME, 0, {tv_sec=1, tv_nsec=0}, NULL) = 0");
  int ends[2] = {3, 4};
  EXPECT_EQ(line(0, SYS_pipe2, ends, O_CLOEXEC), "pipe2([3, 4], O_CLOEXEC) = 0");
}

TEST(TraceText, Signals) {
  EXPECT_EQ(line(0, SYS_kill, 12, SIGTERM), "kill(12, SIGTERM) = 0");
  EXPECT_EQ(line(0, SYS_kill, 12, 0), "kill(12, 0) = 0");
  const uint64_t chld_int = 1U << (SIGCHLD - 1) | 1U << (SIGINT - 1);
  EXPECT_EQ(line(0, SYS_rt_sigprocmask, SIG_BLOCK, &chld_int, nullptr, 8),
            "rt_sigprocmask(SIG_BLOCK, [INT CHLD], NULL, 8) = 0");
  const uint64_t all_but = ~uint64_t{1 << (SIGKILL - 1)};
  EXPECT_EQ(line(0, SYS_rt_sigprocmask, SIG_SETMASK, &all_but, nullptr, 8),
            "rt_sigprocmask(SIG_SETMASK, ~[KILL], NULL, 8) = 0");
  const uint64_t action[4] = {0, 0x14000000, 0x7f0000000010, 0};
  EXPECT_EQ(line(0, SYS_rt_sigaction, SIGINT, action, nullptr, 8),
            "rt_sigaction(SIGINT, {sa_handler=SIG_DFL, sa_mask=[], sa_flags=SA_RESTORER|SA_RESTART, "
            "sa_restorer=0x7f0000000010}, NULL, 8) = 0");
  EXPECT_EQ(line(0, SYS_tgkill, 1, 1, 34), "tgkill(1, 1, SIGRT_2) = 0");
}

TEST(TraceText, Sockets) {
  EXPECT_EQ(line(3, SYS_socket, AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP),
            "socket(AF_INET, SOCK_STREAM|SOCK_CLOEXEC, IPPROTO_TCP) = 3");
  EXPECT_EQ(line(3, SYS_socket, AF_UNIX, SOCK_DGRAM, 0), "socket(AF_UNIX, SOCK_DGRAM, 0) = 3");
  sockaddr_in four{};
  four.sin_family = AF_INET;
  four.sin_port = htons(80);
  four.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(line(-ECONNREFUSED, SYS_connect, 3, &four, sizeof four),
            "connect(3, {sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr(\"127.0.0.1\")}, 16) = -1 "
            "ECONNREFUSED (Connection refused)");
  sockaddr_in6 six{};
  six.sin6_family = AF_INET6;
  six.sin6_port = htons(53);
  six.sin6_addr = in6addr_loopback;
  EXPECT_EQ(line(0, SYS_bind, 3, &six, sizeof six),
            "bind(3, {sa_family=AF_INET6, sin6_port=htons(53), sin6_flowinfo=htonl(0), inet_pton(AF_INET6, "
            "\"::1\", "
            "&sin6_addr), sin6_scope_id=0}, 28) = 0");
  sockaddr_un name{AF_UNIX, "/run/x"};
  EXPECT_EQ(line(0, SYS_connect, 3, &name, sizeof name),
            R"(connect(3, {sa_family=AF_UNIX, sun_path="/run/x"}, 110) = 0)");
  sockaddr_un abstract{AF_UNIX, {'\0', 'a', 'b'}};
  EXPECT_EQ(line(0, SYS_bind, 3, &abstract, 5), R"(bind(3, {sa_family=AF_UNIX, sun_path=@"ab"}, 5) = 0)");
  socklen_t length = sizeof four;
  EXPECT_EQ(line(4, SYS_accept4, 3, &four, &length, SOCK_CLOEXEC),
            "accept4(3, {sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr(\"127.0.0.1\")}, [16], "
            "SOCK_CLOEXEC) = 4");
  const int one = 1;
  EXPECT_EQ(line(0, SYS_setsockopt, 3, SOL_SOCKET, SO_REUSEADDR, &one, 4),
            "setsockopt(3, SOL_SOCKET, SO_REUSEADDR, [1], 4) = 0");
  iovec pieces[2] = {{const_cast<char*>("hello"), 5}, {const_cast<char*>("world"), 3}};
  EXPECT_EQ(line(8, SYS_writev, 1, pieces, 2),
            R"(writev(1, [{iov_base="hello", iov_len=5}, {iov_base="wor", iov_len=3}], 2) = 8)");
  msghdr message{};
  message.msg_iov = pieces;
  message.msg_iovlen = 1;
  EXPECT_EQ(
      line(5, SYS_sendmsg, 3, &message, MSG_NOSIGNAL),
      R"(sendmsg(3, {msg_name=NULL, msg_namelen=0, msg_iov=[{iov_base="hello", iov_len=5}], msg_iovlen=1, )"
      R"(msg_controllen=0, msg_flags=0}, MSG_NOSIGNAL) = 5)");
}

TEST(TraceText, Waiting) {
  pollfd fds[2] = {{3, POLLIN, POLLIN}, {4, POLLOUT | POLLIN, 0}};
  EXPECT_EQ(
      line(1, SYS_poll, fds, 2, -1),
      "poll([{fd=3, events=POLLIN}, {fd=4, events=POLLIN|POLLOUT}], 2, -1) = 1 ([{fd=3, revents=POLLIN}])");
  EXPECT_EQ(line(0, SYS_poll, fds, 1, 10), "poll([{fd=3, events=POLLIN}], 1, 10) = 0 (Timeout)");
  uint64_t set[16] = {1 << 3 | 1 << 5};
  EXPECT_EQ(line(2, SYS_select, 6, set, nullptr, nullptr, nullptr),
            "select(6, [3 5], NULL, NULL, NULL) = 2 (in [3 5])");
  epoll_event event{};
  event.events = EPOLLIN | EPOLLET;
  event.data.u64 = 7;
  EXPECT_EQ(line(0, SYS_epoll_ctl, 4, EPOLL_CTL_ADD, 7, &event),
            "epoll_ctl(4, EPOLL_CTL_ADD, 7, {events=EPOLLIN|EPOLLET, data={u32=7, u64=7}}) = 0");
  EXPECT_EQ(line(1, SYS_epoll_wait, 4, &event, 16, -1),
            "epoll_wait(4, [{events=EPOLLIN|EPOLLET, data={u32=7, u64=7}}], 16, -1) = 1");
  EXPECT_EQ(line(0, SYS_epoll_wait, 4, &event, 16, 0), "epoll_wait(4, [], 16, 0) = 0");
}

TEST(TraceText, UnknownCallsAndErrors) {
  EXPECT_EQ(line(-ENOSYS, 600, 1, 2, 3),
            "syscall_0x258(0x1, 0x2, 0x3, 0, 0, 0) = -1 ENOSYS (Function not implemented)");
  EXPECT_EQ(line(-999, SYS_getpid), "getpid() = -1 E999 (Unknown error)");
  EXPECT_EQ(line(-512, SYS_pause), "pause() = -1 ERESTARTSYS (To be restarted)");
}

TEST(TraceText, WhoAndWhen) {
  Record record = pretended(0, SYS_close, 3);
  record.tid = 12;
  record.pid = 11;
  record.time = 1'700'000'000'123'456'789;
  record.duration = 1'500'002'000;
  record.disposition = Disposition::host;
  record.transport = Transport::trapped;
  EXPECT_EQ(format_text(record, {.pid = true, .time = true, .duration = true, .disposition = true}),
            "[pid 12] 22:13:20.123456 close(3) = 0 <1.500002> [host, trapped]");
}

TEST(TraceText, DrivesNoTerminal) {
  EXPECT_EQ(line(0, SYS_unlink, "\x1b[2J\xc2\x9b\n= 0"), R"(unlink("\33[2J\302\233\n= 0") = 0)");
}

}  // namespace
}  // namespace sandstone::observe
