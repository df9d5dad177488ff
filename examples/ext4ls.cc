// Lists a folder of an ext4 image, or copies a file out of it, with a real ext4 and without root, mount or
// loop device:
//
//   ext4ls IMAGE [/FOLDER]           one line an entry: mode, owner, size, name
//   ext4ls IMAGE /FILE OUT           copies the file ("-": to standard output)
//
// The image is never changed, even if its journal has to be replayed.
#include <fcntl.h>
#include <sandstone/library_kernel.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace {

struct Halt {
  void operator()(sandstone_kernel* kernel) const { sandstone_kernel_halt(kernel); }
};

sandstone_task* task;

// A system call of the library kernel's, with this program's pointers.
template <typename... Words>
int64_t call(int64_t number, Words... words) {
  const uint64_t all[6] = {(uint64_t)words...};
  return sandstone_call(task, number, all[0], all[1], all[2], all[3], all[4], all[5]);
}

int fail(const char* what, int64_t error) {
  std::fprintf(stderr, "ext4ls: %s: %s\n", what, std::strerror(static_cast<int>(-error)));
  return 1;
}

int list(const std::string& path) {
  const int64_t fd = call(SYS_open, path.c_str(), O_RDONLY | O_DIRECTORY, 0);
  if (fd < 0) return fail(path.c_str(), fd);
  std::vector<char> entries(1 << 16);
  int64_t got = 0;
  while ((got = call(SYS_getdents64, fd, entries.data(), entries.size())) > 0) {
    for (int64_t at = 0; at < got;) {
      uint16_t length = 0;
      std::memcpy(&length, &entries[static_cast<size_t>(at) + 16], sizeof length);
      const char* name = &entries[static_cast<size_t>(at) + 19];
      struct stat info{};
      const int64_t known = call(SYS_newfstatat, fd, name, &info, AT_SYMLINK_NOFOLLOW);
      if (known < 0) return fail(name, known);
      std::printf("%06o %5u:%-5u %12lld %s\n", info.st_mode, info.st_uid, info.st_gid,
                  static_cast<long long>(info.st_size), name);
      at += length;
    }
  }
  call(SYS_close, fd);
  return got < 0 ? fail(path.c_str(), got) : 0;
}

int copy(const std::string& path, const char* out) {
  const int64_t from = call(SYS_open, path.c_str(), O_RDONLY, 0);
  if (from < 0) return fail(path.c_str(), from);
  struct Close {
    void operator()(std::FILE* file) const {
      if (file != stdout) std::fclose(file);
    }
  };
  const std::unique_ptr<std::FILE, Close> to(std::string_view(out) == "-" ? stdout : std::fopen(out, "wb"));
  if (to == nullptr) {
    std::perror(out);
    return 1;
  }
  std::vector<char> data(1 << 20);
  int64_t got = 0;
  while ((got = call(SYS_read, from, data.data(), data.size())) > 0)
    if (std::fwrite(data.data(), 1, static_cast<size_t>(got), to.get()) != static_cast<size_t>(got)) break;
  if (std::fflush(to.get()) != 0 || std::ferror(to.get()) != 0 || got > 0) {
    std::perror(out);
    return 1;
  }
  return got < 0 ? fail(path.c_str(), got) : 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2 || argc > 4) {
    std::fprintf(stderr, "usage: ext4ls IMAGE [/FOLDER | /FILE OUT]\n");
    return 2;
  }
  char error[512];
  sandstone_kernel* booted = nullptr;
  if (sandstone_kernel_boot(nullptr, &booted, error, sizeof error) != 0) {
    std::fprintf(stderr, "ext4ls: %s\n", error);
    return 125;
  }
  const std::unique_ptr<sandstone_kernel, Halt> kernel(booted);
  task = sandstone_kernel_first_task(booted);

  // Neither read-only nor persistent: what a replay of the journal changes is ours alone, and ends with us.
  const int disk = sandstone_kernel_add_disk(booted, argv[1], 0, error, sizeof error);
  if (disk < 0) {
    std::fprintf(stderr, "ext4ls: %s\n", error);
    return 1;
  }
  const int mounted = sandstone_kernel_mount_disk(booted, disk, "/image", nullptr, 0);
  if (mounted < 0) return fail(argv[1], mounted);
  const std::string path = std::string("/image/") + (argc > 2 ? argv[2] : "");
  return argc == 4 ? copy(path, argv[3]) : list(path);
}
