// Where --json and --events go: a file that this run makes, or a descriptor that the caller opened.
#pragma once

#include <sandstone/result.h>

#include <chrono>
#include <string>
#include <string_view>

#include "base/fd.h"

namespace sandstone::cli {

class ReportFile {
 public:
  // "FILE" or "FD:N". FILE is made with mode 0600, or taken as it is if it is there; a link is not followed,
  // so that a report asked for in a shared folder cannot be led to overwrite another file. `flag` is the
  // place of an error.
  static Result<ReportFile> open(std::string_view where, std::string flag);

  ReportFile(ReportFile&&) noexcept = default;
  ReportFile& operator=(ReportFile&&) noexcept = default;

  // Empties a file that was there, so that an old report cannot be taken for this run's.
  Result<void> begin();

  Result<void> write(std::string_view text);

  // Writes whole lines, or nothing if the reader is not ready to take them within `patience`: a run must not
  // wait for a reader. False if nothing was written.
  bool try_write_lines(std::string_view lines, std::chrono::milliseconds patience);

  // Removes the file again if it is this run that made it.
  void abandon();

 private:
  ReportFile(Fd fd, std::string flag) : fd_(std::move(fd)), flag_(std::move(flag)) {}

  Fd fd_;
  std::string flag_;
  std::string made_;      // path of the file that open() created
  bool is_file_ = false;  // not a descriptor: what the caller wrote to one before is the caller's
  bool broken_ = false;
};

}  // namespace sandstone::cli
