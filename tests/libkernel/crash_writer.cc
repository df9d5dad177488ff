// crash_writer IMAGE FIRST_VERSION: boots, mounts the image for good, and changes files until it is killed.
// What it says, a line each:
//   ~ NAME            from here on the file may hold anything, or be gone
//   + NAME VERSION    besides what it was, it may be this version
//   = NAME VERSION    it is this version, and that is on the disk; version 0: it is gone
// crash_content.h says what a version's content is. Only whoever reads it to the end knows what must be
// there.
#include <sched.h>
#include <signal.h>

#include <cstdio>
#include <thread>

#include "crash_content.h"
#include "system.h"

namespace sandstone {
namespace {

void say(const std::string& line) {
  if (::write(1, line.data(), line.size()) != static_cast<ssize_t>(line.size())) ::_exit(3);
}

int64_t must(int64_t result, const char* what) {
  if (result >= 0) return result;
  say(std::string("! ") + what + ": " + std::strerror(static_cast<int>(-result)) + "\n");
  ::_exit(4);
}

class Writer {
 public:
  Writer(sandstone_task* task, unsigned number, uint64_t version)
      : system_(task),
        folder_("/disk/w" + std::to_string(number)),
        version_(version + number),
        random_(version * 31 + number) {}

  [[noreturn]] void work() {
    must_or_exists(system_(SYS_mkdir, folder_.c_str(), 0755));
    folder_fd_ = must(system_(SYS_open, folder_.c_str(), O_RDONLY | O_DIRECTORY), "open the folder");
    must(system_(SYS_fsync, folder_fd_), "fsync the folder");
    const int64_t disk = must(system_(SYS_open, "/disk", O_RDONLY | O_DIRECTORY), "open the disk");
    must(system_(SYS_fsync, disk), "fsync the disk");
    for (;;) {
      const std::string name = folder_ + "/f" + std::to_string(random_() % 20);
      version_ += 16;
      switch (random_() % 5) {
        case 0:
          overwrite(name);
          break;
        case 1:
        case 2:
          replace(name);
          break;
        case 3:
          remove(name);
          break;
        default:
          noise();
      }
    }
  }

 private:
  static void must_or_exists(int64_t result) {
    if (result != -EEXIST) must(result, "mkdir");
  }

  void write_and_sync(const std::string& path, int flags) {
    const std::string content = crash_content(version_);
    const int64_t fd = must(system_(SYS_open, path.c_str(), O_CREAT | O_WRONLY | flags, 0644), "create");
    for (size_t at = 0; at < content.size();) {
      const size_t part = std::min<size_t>(content.size() - at, 1 + random_() % 30'000);
      must(system_(SYS_pwrite64, fd, content.data() + at, part, at), "write");
      at += part;
    }
    must(system_(SYS_ftruncate, fd, content.size()), "truncate");
    must(system_(random_() % 2 == 0 ? SYS_fsync : SYS_fdatasync, fd), "fsync");
    must(system_(SYS_close, fd), "close");
  }

  // In place, and the folder too, as the file may be new.
  void overwrite(const std::string& name) {
    say("~ " + name + "\n");
    write_and_sync(name, random_() % 2 == 0 ? O_TRUNC : 0);
    must(system_(SYS_fsync, folder_fd_), "fsync the folder");
    say("= " + name + " " + std::to_string(version_) + "\n");
  }

  // As a careful program does: the old one or the new one is there at any moment.
  void replace(const std::string& name) {
    const std::string draft = name + ".new";
    write_and_sync(draft, O_TRUNC);
    say("+ " + name + " " + std::to_string(version_) + "\n");
    must(system_(SYS_rename, draft.c_str(), name.c_str()), "rename");
    must(system_(SYS_fsync, folder_fd_), "fsync the folder");
    say("= " + name + " " + std::to_string(version_) + "\n");
  }

  void remove(const std::string& name) {
    say("+ " + name + " 0\n");
    const int64_t result = system_(SYS_unlink, name.c_str());
    if (result != -ENOENT) must(result, "unlink");
    must(system_(SYS_fsync, folder_fd_), "fsync the folder");
    say("= " + name + " 0\n");
  }

  // Load that nobody relies on: folders, large files, holes.
  void noise() {
    const std::string path = folder_ + "/noise" + std::to_string(random_() % 3);
    system_(SYS_rename, (path + "/deep").c_str(), (folder_ + "/elsewhere").c_str());
    system_(SYS_unlink, (path + "/big").c_str());
    system_(SYS_rmdir, (folder_ + "/elsewhere").c_str());
    if (system_(SYS_rmdir, path.c_str()) == 0) return;
    must_or_exists(system_(SYS_mkdir, path.c_str(), 0755));
    must_or_exists(system_(SYS_mkdir, (path + "/deep").c_str(), 0755));
    const int64_t fd =
        must(system_(SYS_open, (path + "/big").c_str(), O_CREAT | O_RDWR, 0600), "create noise");
    const std::string block(50'000, 'n');
    for (unsigned i = 0; i < random_() % 20; ++i)
      must(system_(SYS_pwrite64, fd, block.data(), block.size(), random_() % 2'000'000), "write noise");
    must(system_(SYS_close, fd), "close noise");
  }

  System system_;
  std::string folder_;
  uint64_t version_;
  std::minstd_rand random_;
  int64_t folder_fd_ = -1;
};

int main_of(const std::string& image, uint64_t version) {
  auto kernel = LibraryKernel::boot();
  if (!kernel) {
    say("! " + kernel.error().line() + "\n");
    return 2;
  }
  auto disk = kernel->add_disk(image, SANDSTONE_DISK_PERSIST);
  if (!disk) {
    say("! " + disk.error().line() + "\n");
    return 2;
  }
  must(kernel->mount_disk(*disk, "/disk"), "mount");
  std::vector<std::thread> threads;
  std::vector<KernelTask> tasks;
  for (unsigned i = 0; i < 3; ++i) tasks.push_back(std::move(*kernel->first_task().clone(SIGCHLD)));
  for (unsigned i = 0; i < 3; ++i)
    threads.emplace_back([&, i] { Writer(tasks[i].get(), i, version).work(); });
  for (auto& thread : threads) thread.join();
  return 0;
}

}  // namespace
}  // namespace sandstone

int main(int argc, char** argv) {
  return argc == 3 ? sandstone::main_of(argv[1], std::strtoull(argv[2], nullptr, 0)) : 2;
}
