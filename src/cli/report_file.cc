#include "cli/report_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <limits.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "cli/output.h"
#include "spec/config_values.h"

namespace sandstone::cli {
namespace {

Result<Fd> descriptor(std::string_view number, const std::string& flag) {
  auto count = parse_count(number);
  if (!count || *count > INT_MAX)
    return Error{flag, fmt::format("'{}' is not the number of a descriptor", number), "FD:3"};
  const int fd = static_cast<int>(*count);
  const int mode = ::fcntl(fd, F_GETFL);
  if (mode < 0)
    return Error{flag, fmt::format("descriptor {} is not open", fd), fmt::format("{}>FILE in a shell", fd)};
  if ((mode & O_ACCMODE) == O_RDONLY || (mode & O_PATH) != 0)
    return Error{flag, fmt::format("descriptor {} is not open for writing", fd),
                 fmt::format("{}>FILE in a shell", fd)};
  Fd copy(::fcntl(fd, F_DUPFD_CLOEXEC, 3));
  if (!copy.valid()) return system_error(flag, fmt::format("cannot use descriptor {}", fd), errno);
  return copy;
}

}  // namespace

Result<ReportFile> ReportFile::open(std::string_view where, std::string flag) {
  if (where.starts_with("FD:")) {
    auto fd = descriptor(where.substr(3), flag);
    if (!fd) return fd.error();
    return ReportFile(std::move(*fd), std::move(flag));
  }
  const std::string path(where);
  if (path.empty()) return Error{flag, "the name of the file is empty", "FILE or FD:N"};
  constexpr int kHow = O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY;
  constexpr mode_t kOwnerOnly = 0600;  // it holds paths and addresses that the workload tried
  Fd file(::open(path.c_str(), kHow | O_CREAT | O_EXCL, kOwnerOnly));
  const bool made = file.valid();
  if (!made && errno == EEXIST) file = Fd(::open(path.c_str(), kHow));
  if (!file.valid()) {
    if (errno == ELOOP)
      return Error{flag, fmt::format("'{}' is a symbolic link", path), "give the file itself, or FD:N"};
    return system_error(flag, fmt::format("cannot write '{}'", path), errno);
  }
  ReportFile report(std::move(file), std::move(flag));
  report.is_file_ = true;
  if (made) report.made_ = path;
  return report;
}

Result<void> ReportFile::begin() {
  struct stat status{};
  if (::fstat(fd_.get(), &status) != 0 || !S_ISREG(status.st_mode) || !is_file_) return {};
  if (::ftruncate(fd_.get(), 0) != 0) return system_error(flag_, "cannot empty the file", errno);
  return {};
}

Result<void> ReportFile::write(std::string_view text) {
  auto result = write_all(fd_.get(), text);
  if (!result) return Error{flag_, result.error().what, {}};
  return {};
}

bool ReportFile::try_write_lines(std::string_view lines, std::chrono::milliseconds patience) {
  // A pipe that poll(2) calls writable takes PIPE_BUF bytes without waiting (pipe(7)): so that much is
  // written at a time. A reader that stops in the middle for this long gets no more.
  constexpr auto kPatienceMidway = std::chrono::milliseconds(1000);
  while (!lines.empty() && !broken_) {
    pollfd ready{fd_.get(), POLLOUT, 0};
    if (::poll(&ready, 1, static_cast<int>(patience.count())) != 1) {
      broken_ = patience == kPatienceMidway;
      return false;
    }
    const auto part = lines.substr(0, PIPE_BUF);
    if (!write_all(fd_.get(), part)) broken_ = true;
    lines.remove_prefix(part.size());
    patience = kPatienceMidway;
  }
  return !broken_;
}

void ReportFile::abandon() {
  if (!made_.empty()) ::unlink(made_.c_str());
  made_.clear();
}

}  // namespace sandstone::cli
