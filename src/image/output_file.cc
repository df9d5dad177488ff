#include "image/output_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

namespace sandstone::image {
namespace {

constexpr mode_t kMode = 0666;  // what the umask leaves of it
constexpr int kHow = O_RDWR | O_CLOEXEC | O_NOFOLLOW;

}  // namespace

template <typename Make>
int OutputFile::under_temporary_name(Make make) {
  constexpr int kAttempts = 100;
  for (int i = 0; i < kAttempts; ++i) {
    uint64_t random = 0;
    if (::getrandom(&random, sizeof random, 0) != sizeof random) return -1;
    // Not from the real name: that may be of the greatest length already.
    const std::string name = fmt::format(".sandstone-image-{:016x}", random);
    const int result = make(name.c_str());
    if (result >= 0) temporary_ = name;
    if (result >= 0 || errno != EEXIST) return result;
  }
  return -1;
}

Result<OutputFile> OutputFile::create(const std::string& path) {
  const size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const std::string name = slash == std::string::npos ? path : path.substr(slash + 1);
  if (name.empty() || name == "." || name == "..")
    return Error{path, "is not the name of a file", "for example disk.img"};
  Fd parent(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!parent.valid()) return system_error(path, "cannot open its folder", errno);
  struct stat there{};
  if (::fstatat(parent.get(), name.c_str(), &there, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISREG(there.st_mode))
    return Error{path, "is there and is no regular file", "give another name, or remove it first"};

  OutputFile output(path, std::move(parent), name);
  output.file_ = Fd(::openat(output.folder_.get(), ".", O_TMPFILE | kHow, kMode));
  if (!output.file_.valid() && (errno == EOPNOTSUPP || errno == EISDIR || errno == ENOENT))
    output.file_ = Fd(output.under_temporary_name([&](const char* temporary) {
      return ::openat(output.folder_.get(), temporary, kHow | O_CREAT | O_EXCL, kMode);
    }));
  if (!output.file_.valid()) return system_error(path, "cannot make a file in its folder", errno);
  return output;
}

Result<Fd> OutputFile::scratch() const {
  Fd file(::openat(folder_.get(), ".", O_TMPFILE | O_EXCL | kHow, 0600));
  if (!file.valid()) {
    OutputFile other(path_, folder_.duplicate(), name_);
    file = Fd(other.under_temporary_name(
        [&](const char* name) { return ::openat(folder_.get(), name, kHow | O_CREAT | O_EXCL, 0600); }));
  }  // which removes the name
  if (!file.valid()) return system_error(path_, "cannot make a file in its folder", errno);
  return file;
}

Result<void> OutputFile::commit() {
  // A link cannot take the place of a file, only a rename can: so it gets a name of its own first.
  if (temporary_.empty()) {
    const std::string self = fmt::format("/proc/self/fd/{}", file_.get());
    const int linked = under_temporary_name([&](const char* temporary) {
      return ::linkat(AT_FDCWD, self.c_str(), folder_.get(), temporary, AT_SYMLINK_FOLLOW);
    });
    if (linked < 0) return system_error(path_, "cannot name the file", errno);
  }
  if (::renameat(folder_.get(), temporary_.c_str(), folder_.get(), name_.c_str()) != 0)
    return system_error(path_, "cannot name the file", errno);
  temporary_.clear();
  return {};
}

OutputFile::OutputFile(OutputFile&& other) noexcept
    : path_(std::move(other.path_)),
      folder_(std::move(other.folder_)),
      name_(std::move(other.name_)),
      temporary_(std::exchange(other.temporary_, {})),
      file_(std::move(other.file_)) {}

OutputFile::~OutputFile() {
  if (!temporary_.empty()) ::unlinkat(folder_.get(), temporary_.c_str(), 0);
}

}  // namespace sandstone::image
