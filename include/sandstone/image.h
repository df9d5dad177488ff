// Disk images: an ext4 file system made from a folder, a tar archive or a container image, without root.
//
//   sandstone::ImageBuild build{.source = "rootfs.tar.zst", .image = "disk.img"};
//   auto made = sandstone::build_image(build);
//   if (!made) std::cerr << made.error().line() << '\n';
//
// The work is done by the program sandstone-image, which jails itself before it reads the source's first byte
// (docs/images.md). A failure leaves nothing behind, and an image that was there before stays as it was.
#pragma once

#include <sandstone/result.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace sandstone {

struct RunSpec;

// Whose the files in the image are.
enum class ImageOwner : uint8_t {
  keep,  // as the caller sees them, or as the archive says
  map,   // the same, but the caller's own are root's, as in a user namespace
  root,  // all are root's
};

struct ImageBuild {
  std::string source;            // a folder, or a tar archive: plain, gzip, zstd, xz or bzip2
  std::string image;             // the file to make; one that is there is replaced
  std::optional<uint64_t> size;  // bytes; not said: what the content takes, and a quarter and 64 MiB more
  ImageOwner owner = ImageOwner::keep;
};

struct ImageImport {
  std::string source;  // an OCI image layout's folder, an archive of one, or what `docker save` makes
  std::string image;   // as above
  std::optional<uint64_t> size;  // as above
  std::string name;              // NAME[:TAG] if the source has several images
  std::string platform;          // "linux/amd64", "linux/arm64/v8"; empty: this machine's
};

// How the image's maker means it to be run (OCI image specification, "config"). It is hostile input, as all
// of an image is.
struct ImageConfig {
  std::vector<std::string> entrypoint;
  std::vector<std::string> cmd;  // follows the entrypoint, unless the caller gives words of his own
  std::vector<std::string> env;  // NAME=VALUE
  std::string working_dir;       // empty: "/"
  std::string user;              // as written: a name or number, with or without a group; empty: root

  friend bool operator==(const ImageConfig&, const ImageConfig&) = default;
};

struct ImageSummary {
  uint64_t bytes = 0;    // of the image
  uint64_t used = 0;     // of these, not free in its file system
  uint64_t entries = 0;  // files, folders and all else, the root included
  std::optional<ImageConfig> config;
};

Result<ImageSummary> build_image(const ImageBuild& build);
Result<ImageSummary> import_image(const ImageImport& import);

// What import_image() kept of the image's config; nothing if the image has none.
Result<std::optional<ImageConfig>> read_image_config(const std::string& image);

// What `spec` leaves open becomes what the image says: the command, the working folder, the user, and variables.
// An Error that names the image if that cannot be.
Result<void> apply_image_config(const ImageConfig& config, RunSpec& spec);

}  // namespace sandstone
