// weak_jail [SWITCH...] -- COMMAND [ARG...]: a namespace jail that makes, one switch each, the mistakes that
// the attacks need. It is the attacks' proof that they are real; nobody may use it for anything else.
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "weak_jail.h"

Options options;

_Noreturn void die(const char* what) {
  fprintf(stderr, "weak_jail: %s: %s\n", what, strerror(errno));
  _exit(125);
}

void write_text(const char* path, const char* text) {
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0 || write(fd, text, strlen(text)) < 0) die(path);
  close(fd);
}

typedef struct {
  const char* name;
  bool* flag;
  const char** text;
} Switch;

static const Switch kSwitches[] = {
    // Namespaces that stay the caller's.
    {"--share-user", &options.share_user, NULL},
    {"--share-pid", &options.share_pid, NULL},
    {"--share-ipc", &options.share_ipc, NULL},
    {"--share-net", &options.share_net, NULL},
    // What the caller had open stays open.
    {"--leak-descriptors", &options.leak_descriptors, NULL},
    {"--keep-environment", &options.keep_environment, NULL},
    {"--keep-session", &options.keep_session, NULL},
    {"--keep-capabilities", &options.keep_capabilities, NULL},
    {"--keep-directory", &options.keep_directory, NULL},
    {"--no-new-privs-off", &options.privileges_grow, NULL},
    {"--survivors", &options.survivors, NULL},
    {"--detach", &options.detach, NULL},
    {"--init", &options.init, NULL},
    // Roots and mounts.
    {"--chroot", &options.use_chroot, NULL},
    {"--keep-old-root", &options.keep_old_root, NULL},
    {"--stack-old-root", &options.stack_old_root, NULL},
    {"--system", &options.system, NULL},
    {"--rootfs", NULL, &options.rootfs},
    {"--shallow-read-only", &options.shallow_read_only, NULL},
    {"--one-call-read-only", &options.one_call_read_only, NULL},
    {"--no-proc", &options.no_proc, NULL},
    {"--mask", NULL, &options.mask},
    {"--console", &options.console, NULL},
    {"--label", NULL, &options.label},
    {"--directory", NULL, &options.directory},
    // Filters and reports.
    {"--filter", NULL, &options.filter},
    {"--supervise", NULL, &options.supervise},
    {"--report", NULL, &options.report},
    {"--early-report", NULL, &options.early_report},
    {"--log", &options.log, NULL},
};

static char** parse(char** argv) {
  for (; *argv != NULL; ++argv) {
    if (strcmp(*argv, "--") == 0) return argv + 1;
    if (strcmp(*argv, "--bind") == 0 || strcmp(*argv, "--ro-bind") == 0) {
      if (options.binds == kMostBinds || argv[1] == NULL || argv[2] == NULL) break;
      options.bind[options.binds++] = (Bind){argv[1], argv[2], strcmp(*argv, "--ro-bind") == 0};
      argv += 2;
      continue;
    }
    if (strcmp(*argv, "--setenv") == 0 && argv[1] != NULL) {
      if (options.variables == kMostBinds) break;
      options.variable[options.variables++] = *++argv;
      continue;
    }
    const Switch* found = NULL;
    for (size_t i = 0; i < sizeof kSwitches / sizeof kSwitches[0]; ++i)
      if (strcmp(*argv, kSwitches[i].name) == 0) found = &kSwitches[i];
    if (found == NULL) break;
    if (found->flag != NULL) *found->flag = true;
    if (found->text != NULL) *found->text = *++argv;
  }
  fprintf(stderr, "weak_jail: bad argument %s\n", *argv == NULL ? "(none)" : *argv);
  exit(125);
}

// Whoever is 0 inside keeps capabilities through execve; an ordinary id loses them.
static int inside_id(void) {
  return options.keep_capabilities ? 0 : 1000;
}

// Root's workload is nobody outside, as Sandstone's is: the maps are written by a process that stays root.
static bool is_machine_root(void) {
  char map[64] = "";
  int fd = open("/proc/self/uid_map", O_RDONLY | O_CLOEXEC);
  ssize_t got = read(fd, map, sizeof map - 1);
  close(fd);
  return geteuid() == 0 && got > 0 && strstr(map, "4294967295") != NULL;
}

static void map_ids(pid_t pid, uid_t uid, gid_t gid) {
  char path[64], map[64];
  bool root = is_machine_root();
  int inside = inside_id();
  snprintf(path, sizeof path, "/proc/%d/setgroups", (int)pid);
  write_text(path, "deny");
  snprintf(path, sizeof path, "/proc/%d/uid_map", (int)pid);
  snprintf(map, sizeof map, "%d %u 1", inside, root ? 65534 : uid);
  write_text(path, map);
  snprintf(path, sizeof path, "/proc/%d/gid_map", (int)pid);
  snprintf(map, sizeof map, "%d %u 1", inside, root ? 65534 : gid);
  write_text(path, map);
}

static void enter_namespaces(void) {
  uid_t uid = geteuid();
  gid_t gid = getegid();
  pid_t launcher = getpid();
  int go[2];
  if (pipe2(go, O_CLOEXEC) != 0) die("pipe2");
  pid_t mapper = options.share_user ? -1 : fork();
  if (mapper == 0) {
    char byte;
    close(go[1]);
    if (read(go[0], &byte, 1) == 1) map_ids(launcher, uid, gid);
    _exit(0);
  }
  int flags = CLONE_NEWUTS;
  if (!options.share_user) flags |= CLONE_NEWUSER;
  if (!options.share_pid) flags |= CLONE_NEWPID;
  if (!options.share_ipc) flags |= CLONE_NEWIPC;
  if (!options.share_net) flags |= CLONE_NEWNET;
  if (unshare(flags) != 0) die("unshare");
  if (write(go[1], "", 1) != 1) die("pipe");
  close(go[0]);
  close(go[1]);
  if (mapper > 0) {
    if (waitpid(mapper, NULL, 0) != mapper) die("waitpid");
    int inside = inside_id();
    if (setresgid(inside, inside, inside) != 0 || setresuid(inside, inside, inside) != 0) die("setuid");
  }
}

static void drop_capabilities(void) {
  for (int capability = 0; prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; ++capability)
    prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
  if (options.share_user && geteuid() == 0) {
    // Without a user namespace the workload is made nobody, as many launchers do.
    if (setgroups(0, NULL) != 0 || setresgid(65534, 65534, 65534) != 0 || setresuid(65534, 65534, 65534) != 0)
      die("setuid");
  }
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct none[2] = {{0}, {0}};
  if (syscall(SYS_capset, &header, none) != 0) die("capset");
  prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);  // as after every plain setuid and exec
}

static void close_descriptors(void) {
  if (!options.leak_descriptors) syscall(SYS_close_range, 3, ~0U, 0);
}

static char* const* environment(void) {
  static char* kept[kMostBinds + 2] = {(char*)"PATH=/usr/bin:/bin"};
  extern char** environ;
  if (options.keep_environment) return environ;
  for (int i = 0; i < options.variables; ++i) kept[i + 1] = (char*)options.variable[i];
  return kept;
}

static _Noreturn void run(char** command, int socket) {
  if (!options.survivors) prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  if (!options.keep_session) setsid();
  // After the fork, so that the launcher keeps its own root.
  if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
    die("mount namespace");
  build_root();
  if (options.privileges_grow == false) prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  if (!options.keep_capabilities) {
    drop_capabilities();
    if (!options.survivors) prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);  // a change of ids clears it
  }
  load_filter(socket);
  close_descriptors();
  if (options.init) {
    // Process 1 stays the launcher's own program.
    pid_t pid = fork();
    if (pid == 0) {
      execve(command[0], command, environment());
      die(command[0]);
    }
    int status = 0;
    while (waitpid(-1, &status, 0) != pid || errno == EINTR) continue;
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
  }
  execve(command[0], command, environment());
  die(command[0]);
}

int main(int argc, char** argv) {
  (void)argc;
  char** command = parse(argv + 1);
  if (options.log) fprintf(stderr, "weak_jail: running %s\n", command[0]);  // unescaped
  // Under whatever number is free: with a closed stream, that stream's.
  if (options.early_report != NULL && open(options.early_report, O_WRONLY | O_CREAT, 0644) < 0)
    die(options.early_report);
  enter_namespaces();
  int socket = prepare_supervisor();
  pid_t pid = fork();
  if (pid < 0) die("fork");
  if (pid == 0) run(command, socket);
  if (options.detach) return 0;
  supervise(pid);
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
  int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  if (options.report != NULL) {
    // By name, after the workload has run.
    FILE* report = fopen(options.report, "we");
    if (report != NULL) fprintf(report, "{\"status\": %d}\n", code);
    if (report != NULL) fclose(report);
  }
  return code;
}
