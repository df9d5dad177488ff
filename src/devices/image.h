// Images: a raw file or block device as the Store of a virtual disk.
#pragma once

#include <sandstone/result.h>

#include <memory>
#include <string>

#include "base/fd.h"
#include "devices/store.h"

namespace sandstone::devices {

struct ImageOptions {
  enum class Mode : uint8_t {
    read_only,   // nothing is written, and the disk says so
    overlay,     // changes go to a file without a name, which ends with the Store: each run is fresh
    persistent,  // changes go to the image
  };
  Mode mode = Mode::overlay;
  // Where the overlay's file is made, which grows with what is written: a folder on a disk with room. Empty:
  // $TMPDIR, else /var/tmp. If no file can be made there, memory (memfd_create(2)).
  std::string overlay_folder;
};

// Opens the image and locks it for as long as the Store lives (fcntl(2), F_OFD_SETLK): `persistent` shares it
// with nobody, the others with each other. The lock is advisory: it keeps Sandstones apart, and whoever else
// asks for it. An Error says what is wrong with the image, or that it is in use and how.
Result<std::unique_ptr<Store>> open_image(const std::string& path, const ImageOptions& options = {});

// The same for a file that is open already, for reading and, if `persistent`, for writing; `name` is for
// errors. The lock belongs to the open file description, so a duplicate of `image` that lives longer keeps
// it.
Result<std::unique_ptr<Store>> open_image(Fd image, const std::string& name,
                                          const ImageOptions& options = {});

}  // namespace sandstone::devices
