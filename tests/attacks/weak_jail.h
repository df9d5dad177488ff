// The weak jail's switches, and its parts: the root, and the filter with its supervisor.
#pragma once

#include <stdbool.h>
#include <sys/types.h>

enum { kMostBinds = 16 };

typedef struct {
  const char* source;
  const char* destination;
  bool read_only;
} Bind;

typedef struct {
  bool share_user, share_pid, share_ipc, share_net;
  bool leak_descriptors, keep_environment, keep_session, keep_capabilities, keep_directory, privileges_grow;
  bool survivors;  // no parent-death signal
  bool detach;     // the launcher ends at once
  bool init;       // process 1 is the launcher's own program
  bool use_chroot, keep_old_root, stack_old_root, system, shallow_read_only, one_call_read_only, no_proc,
      console, log;
  const char* rootfs;
  const char* mask;          // a path that is masked with the rootfs' own /dev/null (CVE-2025-31133)
  const char* label;         // a text that is written to /proc/self/attr/exec of the rootfs (CVE-2025-52881)
  const char* directory;     // the working directory, by path
  const char* filter;        // "naive" or "dropped-listener"
  const char* supervise;     // a path that a supervisor refuses after reading it from memory
  const char* report;        // written by name at the end
  const char* early_report;  // opened at the start, whatever number that gives
  Bind bind[kMostBinds];
  int binds;
  const char* variable[kMostBinds];
  int variables;
} Options;

extern Options options;

_Noreturn void die(const char* what);
void write_text(const char* path, const char* text);

void build_root(void);

int prepare_supervisor(void);    // before the fork; returns the workload's end of a socket, or -1
void load_filter(int socket);    // in the workload
void supervise(pid_t workload);  // in the launcher; returns when the workload has ended
