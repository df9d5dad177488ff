// Directory: the names in a folder that is open as a descriptor.
#pragma once

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <string_view>

namespace sandstone {

class Directory {
 public:
  // Reads from the start, and leaves `folder`'s own position alone. One that cannot be read looks empty.
  explicit Directory(int folder) {
    const int fd = ::openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return;
    stream_ = ::fdopendir(fd);
    if (stream_ == nullptr) ::close(fd);
  }
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;
  ~Directory() {
    if (stream_ != nullptr) ::closedir(stream_);
  }

  // The next entry but "." and "..", until the next call; nullptr at the end.
  const char* next() {
    while (const dirent* entry = stream_ != nullptr ? ::readdir(stream_) : nullptr) {
      const std::string_view name = entry->d_name;
      if (name != "." && name != "..") return entry->d_name;
    }
    return nullptr;
  }

 private:
  DIR* stream_ = nullptr;
};

}  // namespace sandstone
