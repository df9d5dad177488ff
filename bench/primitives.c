/* primitives ROUNDS PROGRAM: what each thing that a jail asks of the kernel costs alone. Every measurement is
 * made in a process of its own, ROUNDS times, all by turns. Prints a line for each: name, median, p99, in
 * nanoseconds. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <linux/mount.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "filter.h"

enum { kBatch = 16, kMostRounds = 2000 };

static const char* program;

static long now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000L + t.tv_nsec;
}

static void must(int good) {
  if (!good) _exit(errno != 0 ? errno : 1);
}

/* A mount namespace to play in. */
static void enter(unsigned long more) {
  char map[32];
  snprintf(map, sizeof map, "0 %d 1", (int)geteuid()); /* without an id nobody may make a file */
  must(syscall(SYS_unshare, CLONE_NEWUSER | CLONE_NEWNS | more) == 0);
  const int file = open("/proc/self/uid_map", O_WRONLY | O_CLOEXEC);
  must(file >= 0 && write(file, map, strlen(map)) > 0 && close(file) == 0);
}

static int detached(const char* type) {
  const int fs = (int)syscall(SYS_fsopen, type, FSOPEN_CLOEXEC);
  must(fs >= 0 && syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0);
  const int made = (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, 0);
  must(made >= 0 && close(fs) == 0);
  return made;
}

static void attach(int from, const char* to) {
  must(syscall(SYS_move_mount, from, "", AT_FDCWD, to, MOVE_MOUNT_F_EMPTY_PATH) == 0);
}

/* --- what is measured: each gives its nanoseconds --- */

static long null_call(void) {
  const long begin = now();
  for (int i = 0; i < 1000; ++i) syscall(SYS_getppid);
  return (now() - begin) / 1000;
}
/* Behind the least filter that there is: what no sandbox with a filter can be without. */
static long filtered_call(void) {
  struct sock_filter allow = {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW};
  const struct sock_fprog filter = {1, &allow};
  must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
  must(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter) == 0);
  return null_call();
}
static long processor_question(void) {
  const long begin = now();
  for (int i = 0; i < kBatch; ++i) {
    unsigned a = 4, b, c = 0, d;
    __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
  }
  return (now() - begin) / kBatch;
}
static long page_fault(void) {
  char* area = mmap(NULL, kBatch * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  must(area != MAP_FAILED && madvise(area, kBatch * 4096, MADV_NOHUGEPAGE) == 0);
  const long begin = now();
  for (int i = 0; i < kBatch; ++i) area[i * 4096] = 1;
  return (now() - begin) / kBatch;
}

/* A child in new namespaces that ends at once: the clone alone, or with its end until it is reaped. */
static long child(unsigned long flags, int with_end) {
  struct clone_args args = {.flags = flags, .exit_signal = SIGCHLD};
  const long begin = now();
  const long pid = syscall(SYS_clone3, &args, sizeof args);
  if (pid == 0) _exit(0);
  const long cloned = now();
  must(pid > 0 && waitpid((pid_t)pid, NULL, 0) == pid);
  return (with_end ? now() : cloned) - begin;
}
static long clone_plain(void) {
  return child(0, 0);
}
static long clone_plain_end(void) {
  return child(0, 1);
}
static long clone_user(void) {
  return child(CLONE_NEWUSER, 1);
}
static long clone_mount(void) {
  return child(CLONE_NEWUSER | CLONE_NEWNS, 1);
}
static long clone_pid(void) {
  return child(CLONE_NEWUSER | CLONE_NEWPID, 1);
}
static long clone_ipc(void) {
  return child(CLONE_NEWUSER | CLONE_NEWIPC, 1);
}
static long clone_uts(void) {
  return child(CLONE_NEWUSER | CLONE_NEWUTS, 1);
}
static long clone_cgroup(void) {
  return child(CLONE_NEWUSER | CLONE_NEWCGROUP, 1);
}
static long clone_time(void) {
  return child(CLONE_NEWUSER | CLONE_NEWTIME, 1);
}
static long clone_net(void) {
  return child(CLONE_NEWUSER | CLONE_NEWNET, 1);
}

static long vfork_end(void) {
  const long begin = now();
  const pid_t pid = vfork();
  if (pid == 0) _exit(0);
  must(pid > 0 && waitpid(pid, NULL, 0) == pid);
  return now() - begin;
}

static long make_network(void) {
  must(unshare(CLONE_NEWUSER) == 0);
  const long begin = now();
  must(unshare(CLONE_NEWNET) == 0);
  return now() - begin;
}
/* The same right after another one ended, which the kernel takes apart in the background meanwhile. */
static long make_network_again(void) {
  child(CLONE_NEWUSER | CLONE_NEWNET, 1);
  return make_network();
}
static long loopback_up(void) {
  must(unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0);
  struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP};
  const long begin = now();
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  must(fd >= 0 && ioctl(fd, SIOCSIFFLAGS, &request) == 0 && close(fd) == 0);
  return now() - begin;
}

static long mount_of(const char* type, unsigned long namespaces) {
  enter(namespaces);
  if (namespaces & CLONE_NEWPID) { /* only a member of a pid namespace may mount its proc */
    int ends[2];
    long took = 0;
    must(pipe(ends) == 0);
    const pid_t pid = fork();
    if (pid == 0) {
      const long begin = now();
      attach(detached(type), "/tmp");
      took = now() - begin;
      _exit(write(ends[1], &took, sizeof took) != sizeof took);
    }
    must(read(ends[0], &took, sizeof took) == sizeof took && waitpid(pid, NULL, 0) == pid);
    return took;
  }
  const long begin = now();
  attach(detached(type), "/tmp");
  return now() - begin;
}
static long mount_tmpfs(void) {
  return mount_of("tmpfs", 0);
}
static long mount_devpts(void) {
  return mount_of("devpts", 0);
}
static long mount_proc(void) {
  return mount_of("proc", CLONE_NEWPID);
}

static long bind_folder(void) {
  enter(0);
  attach(detached("tmpfs"), "/tmp");
  struct mount_attr attributes = {.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV};
  const long begin = now();
  for (int i = 0; i < kBatch; ++i) {
    char place[] = "/tmp/a";
    place[5] = (char)('a' + i);
    const int tree =
        (int)syscall(SYS_open_tree, AT_FDCWD, "/usr", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
    must(tree >= 0 && syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attributes,
                              sizeof attributes) == 0);
    must(mkdir(place, 0755) == 0);
    attach(tree, place);
    must(close(tree) == 0);
  }
  return (now() - begin) / kBatch;
}
static void mount_root(void) {
  enter(0);
  attach(detached("tmpfs"), "/tmp");
  must(chdir("/tmp") == 0);
}
static long pivot(void) {
  mount_root();
  const long begin = now();
  must(syscall(SYS_pivot_root, ".", ".") == 0);
  return now() - begin;
}
static long detach(void) {
  mount_root();
  must(syscall(SYS_pivot_root, ".", ".") == 0);
  const long begin = now();
  must(syscall(SYS_umount2, ".", 2 /* MNT_DETACH */) == 0);
  return now() - begin;
}

static long landlock(void) {
  const struct landlock_ruleset_attr attributes = {.handled_access_fs = (1 << 13) - 1};
  const long begin = now();
  const int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attributes, sizeof attributes, 0);
  must(ruleset >= 0);
  static const char* const places[] = {"/usr", "/etc", "/dev",  "/proc", "/tmp",
                                       "/run", "/var", "/home", "/opt",  "/"};
  for (size_t i = 0; i < sizeof places / sizeof *places; ++i) {
    struct landlock_path_beneath_attr rule = {.allowed_access =
                                                  LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR};
    rule.parent_fd = open(places[i], O_PATH | O_CLOEXEC);
    if (rule.parent_fd < 0) continue;
    must(syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0 &&
         close(rule.parent_fd) == 0);
  }
  must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && syscall(SYS_landlock_restrict_self, ruleset, 0) == 0);
  return now() - begin;
}
/* open and close of /dev/null in a domain of one rule, which allows `place` what a sandbox's devices are
 * allowed, or all of it but the right to truncate. The kernel asks for that right at every open, to know
 * later whether the file may be truncated, and looks for a rule from the file upwards until it has all that
 * it asks for: so without it the walk ends at the root. */
static long open_in_domain(const char* place, int may_truncate) {
  if (place != NULL) {
    enum { kTruncate = 1 << 14, kDeviceControl = 1 << 15 };
    const long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    must(abi >= 3);
    const unsigned long rights = ((1UL << 15) - 1) | (abi >= 5 ? kDeviceControl : 0);
    const struct landlock_ruleset_attr attributes = {.handled_access_fs = rights};
    const int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attributes, sizeof attributes, 0);
    struct landlock_path_beneath_attr rule = {.allowed_access = LANDLOCK_ACCESS_FS_READ_FILE};
    rule.allowed_access |= rights & (may_truncate ? kTruncate | kDeviceControl : kDeviceControl);
    rule.parent_fd = open(place, O_PATH | O_CLOEXEC);
    must(ruleset >= 0 && syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0);
    must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && syscall(SYS_landlock_restrict_self, ruleset, 0) == 0);
  }
  long best = 1000000;
  for (int batch = 0; batch < 20; ++batch) {
    const long begin = now();
    for (int i = 0; i < 200; ++i) must(close(open("/dev/null", O_RDONLY | O_CLOEXEC)) == 0);
    const long took = (now() - begin) / 200;
    if (took < best) best = took;
  }
  return best;
}
static long open_bare(void) {
  return open_in_domain(NULL, 0);
}
static long open_by_file(void) {
  return open_in_domain("/dev/null", 1);
}
static long open_by_folder(void) {
  return open_in_domain("/dev", 1);
}
static long open_by_root(void) {
  return open_in_domain("/", 1);
}
static long open_to_root(void) {
  return open_in_domain("/dev/null", 0);
}
static long capabilities(void) {
  must(unshare(CLONE_NEWUSER) == 0);
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct none[2] = {{0, 0, 0}, {0, 0, 0}};
  const long begin = now();
  for (int capability = 0; prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0;) ++capability;
  must(syscall(SYS_capset, &header, none) == 0);
  return now() - begin;
}
static long load_filter(void) {
  must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
  const struct sock_fprog* filter = allow_list();
  const long begin = now();
  must(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, filter) == 0);
  return now() - begin;
}

/* From vfork to the end of PROGRAM, which ends at once. */
static long execute(int fd) {
  const long begin = now();
  const pid_t pid = vfork();
  if (pid == 0) {
    execveat(fd, "", (char*[]){"true", NULL}, (char*[]){NULL}, AT_EMPTY_PATH);
    _exit(127);
  }
  must(pid > 0 && waitpid(pid, NULL, 0) == pid);
  return now() - begin;
}
static long execute_file(void) {
  return execute(open(program, O_PATH | O_CLOEXEC));
}
static long execute_memory(void) {
  char image[65536];
  const int file = open(program, O_RDONLY | O_CLOEXEC),
            copy = memfd_create("copy", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  const ssize_t size = read(file, image, sizeof image);
  must(size > 0 && write(copy, image, (size_t)size) == size && fcntl(copy, F_ADD_SEALS, F_SEAL_WRITE) == 0);
  return execute(copy);
}

static const struct {
  const char* name;
  long (*measure)(void);
} kPrimitives[] = {
    {"system call that does nothing", null_call},
    {"the same behind a seccomp filter of one instruction", filtered_call},
    {"CPUID instruction", processor_question},
    {"page fault", page_fault},
    {"vfork, until reaped", vfork_end},
    {"clone", clone_plain},
    {"clone, until reaped", clone_plain_end},
    {"clone with a user namespace, until reaped", clone_user},
    {"clone with user and mount namespaces, until reaped", clone_mount},
    {"clone with user and pid namespaces, until reaped", clone_pid},
    {"clone with user and ipc namespaces, until reaped", clone_ipc},
    {"clone with user and uts namespaces, until reaped", clone_uts},
    {"clone with user and cgroup namespaces, until reaped", clone_cgroup},
    {"clone with user and time namespaces, until reaped", clone_time},
    {"clone with user and net namespaces, until reaped", clone_net},
    {"net namespace", make_network},
    {"net namespace, right after another one ended", make_network_again},
    {"loopback interface up", loopback_up},
    {"tmpfs", mount_tmpfs},
    {"devpts", mount_devpts},
    {"proc", mount_proc},
    {"read-only bind", bind_folder},
    {"pivot_root", pivot},
    {"detach the old root", detach},
    {"Landlock domain of ten rules", landlock},
    {"open+close of /dev/null", open_bare},
    {"the same behind Landlock, the rule on the file", open_by_file},
    {"the same, the rule on its folder", open_by_folder},
    {"the same, the rule on the root", open_by_root},
    {"the same, the rule on the file, but not for truncation", open_to_root},
    {"drop all capabilities", capabilities},
    {"load a seccomp filter of 237 instructions", load_filter},
    {"vfork, exec of a tiny static program, until reaped", execute_file},
    {"the same from a sealed memfd", execute_memory},
};
enum { kCount = sizeof kPrimitives / sizeof *kPrimitives };

static int compare(const void* a, const void* b) {
  const long left = *(const long*)a, right = *(const long*)b;
  return (left > right) - (left < right);
}

int main(int argc, char** argv) {
  if (argc != 3) return fprintf(stderr, "usage: primitives ROUNDS PROGRAM\n"), 2;
  program = argv[2];
  static long taken[kCount][kMostRounds];
  int rounds = atoi(argv[1]), failed[kCount] = {0};
  if (rounds < 1 || rounds > kMostRounds) return fprintf(stderr, "ROUNDS: 1 to %d\n", kMostRounds), 2;
  for (int round = 0; round < rounds; ++round)
    for (int i = 0; i < kCount; ++i) {
      int ends[2], status = 0;
      if (pipe2(ends, O_CLOEXEC) != 0) return perror("pipe2"), 1;
      const struct timespec pause = {0, 1000000}; /* for what the one before left to the background */
      nanosleep(&pause, NULL);
      const pid_t pid = fork();
      if (pid == 0) {
        const long took = kPrimitives[i].measure();
        _exit(write(ends[1], &took, sizeof took) != sizeof took);
      }
      close(ends[1]);
      if (read(ends[0], &taken[i][round], sizeof(long)) != sizeof(long)) ++failed[i];
      close(ends[0]);
      waitpid(pid, &status, 0);
    }
  for (int i = 0; i < kCount; ++i) {
    if (failed[i] != 0) continue; /* a kernel or an account that may not */
    qsort(taken[i], (size_t)rounds, sizeof(long), compare);
    printf("%s\t%ld\t%ld\n", kPrimitives[i].name, taken[i][rounds / 2], taken[i][rounds * 99 / 100]);
  }
  return 0;
}
