// What the library kernel's calls cost beside the host kernel's own: the same program makes the same calls of
// both by turns, on the same kind of file system at the same path.
//
//   library_kernel [--quick] [--image KERNEL] [--disk EXT4-IMAGE] [--sequential NAME EXT4-IMAGE FOLDER]...
//   [PART...]
//
// PART: boot, calls, other, pipes, contended; without any, all of them.
// --disk: a small image, mounted after each boot, to time that. --sequential: a large file is written and
// read on that image, by the library kernel, and in FOLDER, where the host has mounted such a one. Each line
// that it prints is `call NAME HOST LIBRARY` (nanoseconds), `speed NAME HOST LIBRARY` (MiB/s) or `figure NAME
// VALUE`, with tabs between. All are medians of many short rounds, so that what others do on the machine
// meanwhile is in few of them.
#include <fcntl.h>
#include <lib_layout.h>
#include <sandstone/library_kernel.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;
constexpr size_t kMany = 64 << 10;
constexpr double kBatch = 40'000;  // ns: short beside the scheduler's slices

int rounds = 601;
sandstone_kernel* kernel;
alignas(4096) char buffer[1 << 20];
struct stat status;
char folder[] = "/dev/shm/sandstone-XXXXXX";
char path[64];

[[noreturn]] void die(const std::string& what) {
  std::fprintf(stderr, "library_kernel: %s\n", what.c_str());
  std::exit(1);
}

double since(Clock::time_point start) {
  return std::chrono::duration<double, std::nano>(Clock::now() - start).count();
}

double median(std::vector<double>& values) {
  auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

void print(const char* kind, const std::string& name, double host, double library) {
  std::printf("%s\t%s\t%.2f\t%.2f\n", kind, name.c_str(), host, library);
  std::fflush(stdout);
}

void figure(const char* name, double value) {
  std::printf("figure\t%s\t%.3f\n", name, value);
}

template <typename Word>
uint64_t as_word(Word word) {
  if constexpr (std::is_pointer_v<Word>) {
    return reinterpret_cast<uint64_t>(word);
  } else {
    return static_cast<uint64_t>(word);
  }
}

// Who answers calls: the host, or the library kernel for one of its tasks.
struct Host {
  template <typename... Words>
  int64_t operator()(int64_t number, Words... words) const {
    return ::syscall(number, words...);
  }
};
struct Library {
  sandstone_task* task;
  template <typename... Words>
  int64_t operator()(int64_t number, Words... words) const {
    const uint64_t all[6] = {as_word(words)...};
    return sandstone_call(task, number, all[0], all[1], all[2], all[3], all[4], all[5]);
  }
};

// One who answers, with the files that the calls are about.
template <typename Calls>
struct Side {
  Calls call;
  int64_t file = -1;
  int pipe[2] = {-1, -1};

  void open() {
    file = call(SYS_openat, AT_FDCWD, path, O_CREAT | O_RDWR, 0600);
    if (file < 0 || call(SYS_pwrite64, file, buffer, kMany, 0) != static_cast<int64_t>(kMany) ||
        call(SYS_pipe2, pipe, 0) != 0)
      die(std::string("cannot prepare ") + path);
  }
};

template <typename Operation>
double batch(Operation operation, int64_t count) {
  const auto start = Clock::now();
  for (int64_t i = 0; i < count; ++i) operation();
  return since(start) / static_cast<double>(count);
}

// Both by turns: the medians of the batches.
template <typename First, typename Second>
void compare(const std::string& name, First& host, Second& library, auto operation) {
  const auto on_host = [&] { operation(host); };
  const auto on_library = [&] { operation(library); };
  const auto size = [](auto& once) {
    batch(once, 20);
    const double cost = std::min(batch(once, 20), batch(once, 20));
    return std::max<int64_t>(1, static_cast<int64_t>(kBatch / cost));
  };
  const int64_t host_count = size(on_host);
  const int64_t library_count = size(on_library);
  std::vector<double> host_costs;
  std::vector<double> library_costs;
  for (int round = 0; round < rounds; ++round) {
    host_costs.push_back(batch(on_host, host_count));
    library_costs.push_back(batch(on_library, library_count));
  }
  print("call", name, median(host_costs), median(library_costs));
}

void expect(int64_t got, int64_t wanted) {
  if (got != wanted) die("a call gave " + std::to_string(got) + " instead of " + std::to_string(wanted));
}

void calls(auto& host, auto& library) {
  compare("getppid", host, library, [](auto& side) { side.call(SYS_getppid); });
  compare("fstat", host, library, [](auto& side) { expect(side.call(SYS_fstat, side.file, &status), 0); });
  compare("stat, 4 components", host, library,
          [](auto& side) { expect(side.call(SYS_stat, path, &status), 0); });
  compare("open+close", host, library, [](auto& side) {
    const int64_t fd = side.call(SYS_openat, AT_FDCWD, path, O_RDONLY);
    expect(side.call(SYS_close, fd), 0);
  });
  for (const auto& [name, size] :
       {std::pair{"pread 1 B", size_t{1}}, {"pread 4 KiB", size_t{4096}}, {"pread 64 KiB", kMany}})
    compare(name, host, library, [size = size](auto& side) {
      expect(side.call(SYS_pread64, side.file, buffer, size, 0), int64_t(size));
    });
  compare("pwrite 4 KiB", host, library,
          [](auto& side) { expect(side.call(SYS_pwrite64, side.file, buffer, 4096, 0), 4096); });
  compare("pipe write+read 1 B", host, library, [](auto& side) {
    expect(side.call(SYS_write, side.pipe[1], buffer, 1), 1);
    expect(side.call(SYS_read, side.pipe[0], buffer, 1), 1);
  });
  compare("create+write+unlink", host, library, [path = std::string(path) + "2"](auto& side) {
    const int64_t fd = side.call(SYS_openat, AT_FDCWD, path.c_str(), O_CREAT | O_EXCL | O_WRONLY, 0600);
    expect(side.call(SYS_write, fd, buffer, 4096), 4096);
    expect(side.call(SYS_close, fd), 0);
    expect(side.call(SYS_unlink, path.c_str()), 0);
  });
}

// The calls of a task whose memory is another process's: a child of ours, in which the same things are at the
// same places.
void calls_of_another_process(auto& host, auto& library, int32_t pid) {
  sandstone_task_memory(library.call.task, pid);
  compare("fstat, other process", host, library,
          [](auto& side) { expect(side.call(SYS_fstat, side.file, &status), 0); });
  compare("stat, 4 components, other process", host, library,
          [](auto& side) { expect(side.call(SYS_stat, path, &status), 0); });
  compare("pread 4 KiB, other process", host, library,
          [](auto& side) { expect(side.call(SYS_pread64, side.file, buffer, 4096, 0), 4096); });
  compare("pread 64 KiB, other process", host, library,
          [](auto& side) { expect(side.call(SYS_pread64, side.file, buffer, kMany, 0), int64_t(kMany)); });
  sandstone_task_memory(library.call.task, 0);
}

void pin(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  for (int i = 0; i < CPU_SETSIZE; ++i)
    if (cpu < 0 || i == cpu) CPU_SET(i, &set);
  ::sched_setaffinity(0, sizeof set, &set);
}

// A byte there and back between two threads, in nanoseconds.
template <typename Calls>
double round_trip(const Calls& here, const Calls& there, const int (&to)[2], const int (&from)[2], int count,
                  int here_cpu, int there_cpu) {
  double taken = 0;
  std::thread echo([&] {
    pin(there_cpu);
    char byte = 0;
    for (int i = 0; i < count + 10; ++i) {
      there(SYS_read, to[0], &byte, 1);
      there(SYS_write, from[1], &byte, 1);
    }
  });
  pin(here_cpu);
  char byte = 0;
  auto start = Clock::now();
  for (int i = 0; i < count + 10; ++i) {
    if (i == 10) start = Clock::now();
    here(SYS_write, to[1], &byte, 1);
    here(SYS_read, from[0], &byte, 1);
  }
  taken = since(start);
  echo.join();
  pin(-1);
  return taken / count;
}

void round_trips(const Library& first) {
  int host_to[2];
  int host_from[2];
  int library_to[2];
  int library_from[2];
  if (::pipe2(host_to, 0) != 0 || ::pipe2(host_from, 0) != 0 || first(SYS_pipe2, library_to, 0) != 0 ||
      first(SYS_pipe2, library_from, 0) != 0)
    die("no pipe");
  Library second{};
  if (sandstone_task_clone(first.task, SIGCHLD, 0, &second.task) != 0) die("no task");
  struct Place {
    const char* name;
    int here, there;
  };
  std::vector<Place> places = {{"pipe round trip, two threads", -1, -1},
                               {"pipe round trip, threads on one CPU", 0, 0}};
  if (std::thread::hardware_concurrency() > 1)
    places.push_back({"pipe round trip, threads on two CPUs", 0, 1});
  for (const Place& place : places) {
    std::vector<double> host;
    std::vector<double> library;
    for (int round = 0; round < rounds / 6 + 1; ++round) {
      host.push_back(round_trip(Host{}, Host{}, host_to, host_from, 50, place.here, place.there));
      library.push_back(round_trip(first, second, library_to, library_from, 50, place.here, place.there));
    }
    print("call", place.name, median(host), median(library));
  }
}

// Nanoseconds in which all together make one call, and the share of the least served thread, of an even one.
template <typename Calls>
std::pair<double, double> contend(std::vector<Side<Calls>>& sides, auto operation) {
  std::atomic<bool> stop{false};
  std::vector<uint64_t> counts(sides.size() * 8);  // a cache line each
  std::vector<std::thread> threads;
  threads.reserve(sides.size());
  const auto start = Clock::now();
  for (size_t i = 0; i < sides.size(); ++i)
    threads.emplace_back([&, i] {
      uint64_t count = 0;
      for (; !stop.load(std::memory_order_relaxed); ++count) operation(sides[i]);
      counts[i * 8] = count;
    });
  std::this_thread::sleep_for(std::chrono::milliseconds(25));
  stop = true;
  for (auto& thread : threads) thread.join();
  const double taken = since(start);
  uint64_t all = 0;
  uint64_t least = UINT64_MAX;
  for (size_t i = 0; i < sides.size(); ++i) {
    all += counts[i * 8];
    least = std::min(least, counts[i * 8]);
  }
  return {taken / static_cast<double>(all),
          static_cast<double>(least) * static_cast<double>(sides.size()) / static_cast<double>(all)};
}

void contended(const char* name, auto& host, auto& library, auto operation) {
  std::vector<double> host_costs;
  std::vector<double> library_costs;
  std::vector<double> host_shares;
  std::vector<double> library_shares;
  for (int round = 0; round < rounds / 30 + 1; ++round) {
    const auto [host_cost, host_share] = contend(host, operation);
    const auto [library_cost, library_share] = contend(library, operation);
    host_costs.push_back(host_cost);
    library_costs.push_back(library_cost);
    host_shares.push_back(host_share);
    library_shares.push_back(library_share);
  }
  print("call", name, median(host_costs), median(library_costs));
  print("share", name, median(host_shares), median(library_shares));
}

// The same with processes: children that count in memory that all share, until they are told to stop.
constexpr size_t kProcesses = 4;
struct Tally {
  std::atomic<unsigned> ready, go, stop;
  struct alignas(64) {
    uint64_t count;
  } each[kProcesses];
};

void count_until_stopped(Tally& tally, size_t one, auto operation) {
  ++tally.ready;
  while (tally.go == 0) ::sched_yield();
  uint64_t count = 0;
  for (; tally.stop.load(std::memory_order_relaxed) == 0; ++count) operation();
  tally.each[one].count = count;
}

// `start(i)` forks the i-th child, which counts, and gives its pid.
std::pair<double, double> contend_processes(Tally& tally, auto start) {
  tally.ready = tally.go = tally.stop = 0;
  std::vector<pid_t> pids;
  pids.reserve(kProcesses);
  for (size_t i = 0; i < kProcesses; ++i) pids.push_back(start(i));
  while (tally.ready != kProcesses) ::sched_yield();
  const auto begin = Clock::now();
  tally.go = 1;
  std::this_thread::sleep_for(std::chrono::milliseconds(25));
  tally.stop = 1;
  const double taken = since(begin);
  for (const pid_t pid : pids) ::waitpid(pid, nullptr, 0);
  uint64_t all = 0;
  uint64_t least = UINT64_MAX;
  for (const auto& one : tally.each) {
    all += one.count;
    least = std::min(least, one.count);
  }
  return {taken / static_cast<double>(all),
          static_cast<double>(least) * kProcesses / static_cast<double>(all)};
}

void contended_processes(const char* name, auto& host, auto& library, auto operation) {
  auto* tally = static_cast<Tally*>(
      ::mmap(nullptr, sizeof(Tally), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  char error[256];
  if (tally == MAP_FAILED || sandstone_kernel_share(kernel, error, sizeof error) != 0) die("cannot share");
  std::vector<double> costs[2];
  std::vector<double> shares[2];
  for (int round = 0; round < rounds / 30 + 1; ++round) {
    const auto [host_cost, host_share] = contend_processes(*tally, [&](size_t one) {
      const pid_t pid = ::fork();
      if (pid != 0) return pid;
      count_until_stopped(*tally, one, [&] { operation(host); });
      ::_exit(0);
    });
    const auto [library_cost, library_share] = contend_processes(*tally, [&](size_t one) {
      sandstone_task* task = nullptr;
      if (sandstone_task_clone(library.call.task, SIGCHLD, 0, &task) != 0) die("no task");
      const pid_t pid = ::fork();
      if (pid != 0) {
        if (sandstone_task_give(task, pid) != 0) die("the undertaker does not take it");
        return pid;
      }
      if (sandstone_kernel_join(kernel) != 0) ::_exit(1);
      auto mine = library;
      mine.call.task = task;
      count_until_stopped(*tally, one, [&] { operation(mine); });
      ::_exit(0);
    });
    while (library.call(SYS_wait4, -1, 0, WNOHANG, 0) > 0) {
    }
    costs[0].push_back(host_cost);
    costs[1].push_back(library_cost);
    shares[0].push_back(host_share);
    shares[1].push_back(library_share);
  }
  print("call", name, median(costs[0]), median(costs[1]));
  print("share", name, median(shares[0]), median(shares[1]));
}

void boot(uint64_t memory, const char* image) {
  sandstone_kernel_options options{};
  options.size = sizeof options;
  options.memory = memory;
  options.image = image;
  char error[512];
  if (sandstone_kernel_boot(&options, &kernel, error, sizeof error) != 0) die(error);
}

int add_disk(const char* disk, unsigned flags) {
  char error[512];
  const int number = sandstone_kernel_add_disk(kernel, disk, flags, error, sizeof error);
  if (number < 0) die(error);
  return number;
}

// Resident, of the kernel's addresses, in MiB.
double resident() {
  std::ifstream file("/proc/self/smaps");
  bool ours = false;
  double kib = 0;
  for (std::string line; std::getline(file, line);) {
    const size_t name = line.find_first_of(" :");
    if (name != std::string::npos && line[name] == ' ') {
      const uint64_t address = std::strtoull(line.c_str(), nullptr, 16);
      ours = address >= LIB_BASE && address < LIB_END;
    } else if (ours && line.starts_with("Pss:")) {
      kib += std::strtod(line.c_str() + 4, nullptr);
    }
  }
  return kib / 1024;
}

void boots(int count, const char* image, const char* disk) {
  std::vector<double> ready;
  std::vector<double> mounted;
  std::vector<double> halted;
  std::vector<double> after_boot;
  std::vector<double> after_mount;
  for (int i = 0; i < count; ++i) {
    auto start = Clock::now();
    boot(256 << 20, image);
    ready.push_back(since(start) / 1e6);
    after_boot.push_back(resident());
    if (disk != nullptr) {
      start = Clock::now();
      if (sandstone_kernel_mount_disk(kernel, add_disk(disk, 0), "/root", nullptr, 0) != 0)
        die("ext4 is not mounted");
      mounted.push_back(since(start) / 1e6);
      after_mount.push_back(resident());
    }
    start = Clock::now();
    if (sandstone_kernel_halt(kernel) != 0) die("the kernel did not halt");
    halted.push_back(since(start) / 1e6);
  }
  figure("boot to ready, ms", median(ready));
  figure("best boot to ready, ms", *std::min_element(ready.begin(), ready.end()));
  if (disk != nullptr) {
    figure("ext4 mounted after that, ms", median(mounted));
    figure("best ext4 mounted, ms", *std::min_element(mounted.begin(), mounted.end()));
  }
  figure("halt, ms", median(halted));
  figure("resident after boot, MiB", median(after_boot));
  if (disk != nullptr) figure("resident with ext4 mounted, MiB", median(after_mount));
  struct stat info{};
  if (image != nullptr && ::stat(image, &info) == 0)
    figure("image, MiB", static_cast<double>(info.st_size) / (1 << 20));
}

struct Speed {
  double write, again, read;  // MiB/s
};

// A file of that size is written and synced; its pages are dropped; it is read.
template <typename Calls>
Speed sequential(const Calls& call, const std::string& name, int64_t size) {
  const auto all = [&](int64_t number, int64_t fd) {
    for (int64_t done = 0; done < size; done += sizeof buffer)
      expect(call(number, fd, buffer, sizeof buffer), sizeof buffer);
  };
  const auto speed = [&](Clock::time_point start) {
    return static_cast<double>(size) / (1 << 20) / (since(start) / 1e9);
  };
  Speed result{};
  call(SYS_unlink, name.c_str());
  const int64_t fd = call(SYS_openat, AT_FDCWD, name.c_str(), O_CREAT | O_RDWR, 0600);
  if (fd < 0) die("cannot create " + name);
  auto start = Clock::now();
  all(SYS_write, fd);
  expect(call(SYS_fsync, fd), 0);
  result.write = speed(start);
  call(SYS_lseek, fd, 0, SEEK_SET);
  start = Clock::now();
  all(SYS_write, fd);
  expect(call(SYS_fsync, fd), 0);
  result.again = speed(start);
  expect(call(SYS_fadvise64, fd, 0, 0, POSIX_FADV_DONTNEED), 0);
  call(SYS_lseek, fd, 0, SEEK_SET);
  start = Clock::now();
  all(SYS_read, fd);
  result.read = speed(start);
  expect(call(SYS_close, fd), 0);
  return result;
}

void sequential_files(const std::string& name, const char* image, const char* disk,
                      const std::string& mounted, int64_t size, int count) {
  boot(2ULL << 30, image);
  const Library library{sandstone_kernel_first_task(kernel)};
  if (sandstone_kernel_mount_disk(kernel, add_disk(disk, SANDSTONE_DISK_PERSIST), "/disk", nullptr, 0) != 0)
    die("ext4 is not mounted");
  std::vector<double> figures[6];
  for (int i = 0; i < count; ++i) {
    const Speed host = sequential(Host{}, mounted + "/file", size);
    const Speed ours = sequential(library, "/disk/file", size);
    const double all[] = {host.write, ours.write, host.again, ours.again, host.read, ours.read};
    for (size_t at = 0; at < std::size(all); ++at) figures[at].push_back(all[at]);
  }
  ::unlink((mounted + "/file").c_str());
  print("speed", "write a new file, " + name, median(figures[0]), median(figures[1]));
  print("speed", "write it again, " + name, median(figures[2]), median(figures[3]));
  print("speed", "read, " + name, median(figures[4]), median(figures[5]));
  if (sandstone_kernel_halt(kernel) != 0) die("the kernel did not halt");
}

struct Sequential {
  const char *name, *disk, *folder;
};

}  // namespace

int main(int argc, char** argv) {
  bool quick = false;
  const char* image = nullptr;
  const char* disk = nullptr;
  std::vector<Sequential> files;
  std::vector<std::string> parts;
  for (int i = 1; i < argc; ++i) {
    const std::string option = argv[i];
    if (option == "--quick") {
      quick = true;
    } else if (option == "--image" && i + 1 < argc) {
      image = argv[++i];
    } else if (option == "--disk" && i + 1 < argc) {
      disk = argv[++i];
    } else if (option == "--sequential" && i + 3 < argc) {
      files.push_back({argv[i + 1], argv[i + 2], argv[i + 3]});
      i += 3;
    } else if (!option.starts_with("-")) {
      parts.push_back(option);
    } else {
      die("unknown option " + option);
    }
  }
  const auto wanted = [&](const char* part) {
    return parts.empty() || std::find(parts.begin(), parts.end(), part) != parts.end();
  };
  if (quick) rounds = 61;

  // tmpfs, at the same path on both sides.
  if (::mkdtemp(folder) == nullptr) die("no folder in /dev/shm");
  std::snprintf(path, sizeof path, "%s/file", folder);
  // A child to be the other process, made before there is a kernel that it would inherit. What calls point to
  // is static, and so at the same place in both.
  const pid_t child = ::fork();
  if (child == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;) ::pause();
  }
  if (wanted("boot")) boots(quick ? 5 : 40, image, disk);

  boot(256 << 20, image);
  if (sandstone_kernel_mount_basics(kernel) != 0) die("the library kernel mounts nothing");
  Side<Host> host{{}};
  Side<Library> library{{sandstone_kernel_first_task(kernel)}};
  library.call(SYS_mkdir, folder, 0700);
  host.open();
  library.open();
  if (wanted("calls")) calls(host, library);
  if (wanted("other")) calls_of_another_process(host, library, child);

  if (wanted("pipes")) round_trips(library.call);

  std::vector<sandstone_task*> tasks(4);
  std::vector<Side<Host>> hosts;
  std::vector<Side<Library>> libraries;
  for (auto& task : tasks) {
    if (sandstone_task_clone(library.call.task, SIGCHLD, 0, &task) != 0) die("no task");
    hosts.push_back(host);
    libraries.push_back(library);
    libraries.back().call.task = task;
  }
  if (wanted("contended")) {
    contended("getppid, four threads", hosts, libraries, [](auto& side) { side.call(SYS_getppid); });
    contended("pread 4 KiB, four threads", hosts, libraries, [](auto& side) {
      char part[4096];
      expect(side.call(SYS_pread64, side.file, part, sizeof part, 0), sizeof part);
    });
    contended_processes("getppid, four processes", host, library, [](auto& side) { side.call(SYS_getppid); });
    contended_processes("pread 4 KiB, four processes", host, library, [](auto& side) {
      char part[4096];
      expect(side.call(SYS_pread64, side.file, part, sizeof part, 0), sizeof part);
    });
  }
  ::unlink(path);
  ::rmdir(folder);
  if (sandstone_kernel_halt(kernel) != 0) die("the kernel did not halt");

  for (const Sequential& one : files)
    sequential_files(one.name, image, one.disk, one.folder, quick ? 128 << 20 : 1 << 30, quick ? 1 : 3);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  return 0;
}
