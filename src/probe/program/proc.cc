// What /proc and /sys give away, and the switches in them that rule the whole kernel.
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "probe/program/attempt.h"
#include "probe/program/canary.h"

namespace sandstone::probe_program {
namespace {

constexpr char kArea[] = "proc and sys";

std::string canary_file(const Parameters& p, const std::string& name) {
  return "/proc/" + p.text("pid") + "/" + name;
}

Verdict proc_list(const Parameters&) {
  const std::unique_ptr<DIR, int (*)(DIR*)> proc(::opendir("/proc"), &::closedir);
  if (!proc) return refused("opendir /proc");
  while (const dirent* entry = ::readdir(proc.get())) {
    if (entry->d_name[0] < '0' || entry->d_name[0] > '9') continue;
    const Descriptor comm(
        ::open(("/proc/" + std::string(entry->d_name) + "/comm").c_str(), O_RDONLY | O_CLOEXEC));
    if (comm.valid() && read_up_to(comm.get()) == std::string(kCanaryName) + "\n")
      return allowed("found the canary among the host's processes");
  }
  return without_effect("no process of the host's in sight");
}

// A number may by chance be that of a process of the sandbox's own: only the canary's name proves the host's.
Verdict proc_status(const Parameters& p) {
  const Descriptor file(::open(canary_file(p, "status").c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid()) return refused("open status");
  if (read_up_to(file.get()).find(std::string("Name:\t") + kCanaryName + "\n") == std::string::npos)
    return without_effect("a process of the sandbox's own has the number");
  return allowed("state, ids and memory of a process of the host");
}

Verdict proc_maps(const Parameters& p) {
  const Descriptor file(::open(canary_file(p, "maps").c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid()) return refused("open maps");
  errno = 0;
  const std::string data = read_up_to(file.get(), 1 << 20);
  if (data.empty() && errno != 0) return refused("read maps");
  if (data.find(p.text("map-marker")) == std::string::npos)
    return without_effect("not the canary's memory map");
  return allowed("where everything lies in the memory of a process of the host");
}

Verdict proc_environ(const Parameters& p) {
  return read_secret_file(p, "secret", canary_file(p, "environ"));
}
Verdict proc_root(const Parameters& p) {
  return read_secret_file(p, "secret", canary_file(p, "root") + p.text("home") + "/secret");
}
Verdict proc_cwd(const Parameters& p) {
  return read_secret_file(p, "secret", canary_file(p, "cwd/secret"));
}
Verdict proc_fd(const Parameters& p) {
  return read_secret_file(p, "secret", canary_file(p, "fd/" + p.text("memfd")));
}

Verdict proc_mem(const Parameters& p) {
  const Descriptor file(::open(canary_file(p, "mem").c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid()) return refused("open mem");
  char data[64] = {};
  if (::pread(file.get(), data, sizeof data - 1, static_cast<off_t>(p.number("address"))) < 0)
    return refused("read mem");
  if (!p.holds_secret("secret", data)) return without_effect("not the canary's memory");
  return allowed("read the canary's memory");
}

Verdict host_root_by_pid1(const Parameters& p) {
  return read_secret_file(p, "secret", "/proc/1/root" + p.text("home") + "/secret");
}

Verdict core_pattern(const Parameters&) {
  return open_only("/proc/sys/kernel/core_pattern", O_WRONLY);
}
Verdict modprobe_path(const Parameters&) {
  return open_only("/proc/sys/kernel/modprobe", O_WRONLY);
}
Verdict drop_caches(const Parameters&) {
  return open_only("/proc/sys/vm/drop_caches", O_WRONLY);
}
Verdict binfmt_register(const Parameters&) {
  return open_only("/proc/sys/fs/binfmt_misc/register", O_WRONLY);
}
Verdict sysrq_trigger(const Parameters&) {
  return open_only("/proc/sysrq-trigger", O_WRONLY);
}
Verdict proc_kmsg(const Parameters&) {
  return open_only("/proc/kmsg", O_RDONLY);
}
Verdict uevent_helper(const Parameters&) {
  return open_only("/sys/kernel/uevent_helper", O_WRONLY);
}
Verdict power_state(const Parameters&) {
  return open_only("/sys/power/state", O_WRONLY);
}
Verdict disk_scheduler(const Parameters& p) {
  if (!p.has("disk-name")) return not_applicable("no disk of the host's in /sys/block");
  return open_only("/sys/block/" + p.text("disk-name") + "/queue/scheduler", O_WRONLY);
}

// Reading something is the prize here: an empty answer (a mask of /dev/null or of an empty folder) gains
// nothing.
Verdict read_some(const std::string& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file.valid()) return refused("open " + path);
  char data[64];
  const ssize_t got = ::read(file.get(), data, sizeof data);
  if (got < 0) return refused("read " + path);
  if (got == 0) return without_effect(path + " is empty");
  return gained("read " + path);
}

Verdict kcore(const Parameters&) {
  return read_some("/proc/kcore");
}
Verdict timer_list(const Parameters&) {
  return read_some("/proc/timer_list");
}
Verdict kpage_flags(const Parameters&) {
  return read_some("/proc/kpageflags");
}
Verdict slab_info(const Parameters&) {
  return read_some("/proc/slabinfo");
}

Verdict kallsyms(const Parameters&) {
  const Descriptor file(::open("/proc/kallsyms", O_RDONLY | O_CLOEXEC));
  if (!file.valid()) return refused("open /proc/kallsyms");
  const std::string data = read_up_to(file.get(), 4096);
  if (data.empty()) return without_effect("empty");
  for (size_t line = 0; line < data.size(); line = data.find('\n', line) + 1) {
    if (std::strtoull(data.c_str() + line, nullptr, 16) != 0) return gained("the kernel's own addresses");
    if (data.find('\n', line) == std::string::npos) break;
  }
  return without_effect("every address reads as zero");
}

Verdict list_some(const std::string& path) {
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(::opendir(path.c_str()), &::closedir);
  if (!folder) return refused("opendir " + path);
  while (const dirent* entry = ::readdir(folder.get()))
    if (entry->d_name[0] != '.') return gained("listed " + path);
  return without_effect(path + " is empty");
}

Verdict sys_firmware(const Parameters&) {
  return list_some("/sys/firmware");
}
Verdict sys_block(const Parameters&) {
  return list_some("/sys/block");
}
Verdict sys_modules(const Parameters&) {
  return list_some("/sys/module");
}

Verdict cgroup_move(const Parameters& p) {
  if (!p.has("cgroup-procs")) return not_applicable("the host has no cgroup tree mounted");
  return open_only(p.text("cgroup-procs"), O_WRONLY);
}

constexpr Operation kOperations[] = {
    {"proc-list", kArea, "sees the host's processes in /proc", proc_list},
    {"proc-status", kArea, "reads the status of a process of the host", proc_status},
    {"proc-environ", kArea, "reads the environment of a process of the host", proc_environ},
    {"proc-maps", kArea, "reads the memory map of a process of the host", proc_maps},
    {"proc-mem", kArea, "reads the memory of a process of the host through /proc/PID/mem", proc_mem},
    {"proc-fd", kArea, "reopens a file that a process of the host holds, through /proc/PID/fd", proc_fd},
    {"proc-root", kArea, "walks into the host's files through /proc/PID/root", proc_root},
    {"proc-cwd", kArea, "walks into the host's files through /proc/PID/cwd", proc_cwd},
    {"proc-1-root", kArea, "walks into the host's files through /proc/1/root", host_root_by_pid1},
    {"core-pattern", kArea, "opens core_pattern for writing: runs any program as the host's root",
     core_pattern},
    {"modprobe-path", kArea, "opens the path of modprobe for writing: runs any program as the host's root",
     modprobe_path},
    {"binfmt-register", kArea, "opens binfmt_misc for writing: rules which interpreter the host runs",
     binfmt_register},
    {"uevent-helper", kArea, "opens uevent_helper for writing: runs any program as the host's root",
     uevent_helper},
    {"sysrq-trigger", kArea, "opens sysrq-trigger for writing: reboots or crashes the host", sysrq_trigger},
    {"drop-caches", kArea, "opens a switch of the host's memory management for writing", drop_caches},
    {"power-state", kArea, "opens the host's power state for writing", power_state},
    {"disk-scheduler", kArea, "opens a setting of the host's disk for writing", disk_scheduler},
    {"cgroup-procs", kArea, "opens the host's root cgroup for writing: leaves its own limits", cgroup_move},
    {"kcore", kArea, "reads the kernel's memory, /proc/kcore", kcore},
    {"kallsyms", kArea, "reads the kernel's addresses, which defeats its address randomisation", kallsyms},
    {"proc-kmsg", kArea, "opens the kernel's log, /proc/kmsg", proc_kmsg},
    {"timer-list", kArea, "reads the kernel's timers, with the names of the host's processes", timer_list},
    {"kpage-flags", kArea, "reads the state of each page of the host's memory", kpage_flags},
    {"slab-info", kArea, "reads the kernel's heap statistics, which helps heap attacks", slab_info},
    {"sys-firmware", kArea, "lists /sys/firmware: hardware identity, EFI variables", sys_firmware},
    {"sys-block", kArea, "lists the host's disks in /sys/block", sys_block},
    {"sys-module", kArea, "lists the kernel's modules and their parameters in /sys/module", sys_modules},
};

}  // namespace

std::span<const Operation> proc_operations() {
  return kOperations;
}

}  // namespace sandstone::probe_program
