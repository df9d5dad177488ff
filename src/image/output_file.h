// OutputFile: a file that appears under its name when it is whole, or never.
#pragma once

#include <sandstone/result.h>

#include <string>

#include "base/fd.h"

namespace sandstone::image {

class OutputFile {
 public:
  // A new file in the folder of `path`. It has no name until commit(), so that not even a killed process
  // leaves it behind (open(2), O_TMPFILE); on a file system that has no such files, a name beside `path`.
  static Result<OutputFile> create(const std::string& path);

  OutputFile(OutputFile&& other) noexcept;
  OutputFile& operator=(OutputFile&&) = delete;
  ~OutputFile();

  [[nodiscard]] int get() const { return file_.get(); }

  // A second empty file in the same folder that never gets a name.
  [[nodiscard]] Result<Fd> scratch() const;

  // Gives it its name, in the place of whatever file had it.
  Result<void> commit();

 private:
  OutputFile(std::string path, Fd folder, std::string name)
      : path_(std::move(path)), folder_(std::move(folder)), name_(std::move(name)) {}
  // Opens a file by a random name beside the real one, or makes one by `make`, and remembers the name.
  template <typename Make>
  int under_temporary_name(Make make);

  std::string path_;
  Fd folder_;
  std::string name_;
  std::string temporary_;  // the name that it has meanwhile, if any
  Fd file_;
};

}  // namespace sandstone::image
