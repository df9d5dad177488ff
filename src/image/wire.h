// What the caller and the image process say to each other: one JSON document each way.
#pragma once

#include <sandstone/image.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sandstone::image {

// The descriptors that the image process starts with.
inline constexpr int kControl = 3;  // a socket (SOCK_SEQPACKET): the request, then the reply
inline constexpr int kSource = 4;   // the folder or file to read
inline constexpr int kOutput = 5;   // the image, empty, for reading and writing
inline constexpr int kScratch = 6;  // an empty file without a name

inline constexpr size_t kMaxMessage = 1 << 17;

enum class Task : uint8_t { build_folder, build_archive, import_folder, import_archive };

struct ImageRequest {
  Task task = Task::build_folder;
  std::string source;  // how the caller calls it: for errors
  std::optional<uint64_t> size;
  ImageOwner owner = ImageOwner::keep;
  uint32_t caller_uid = 0;
  uint32_t caller_gid = 0;
  std::string name;
  std::string platform;

  [[nodiscard]] bool is_folder() const { return task == Task::build_folder || task == Task::import_folder; }
  friend bool operator==(const ImageRequest&, const ImageRequest&) = default;
};

std::string encode(const ImageRequest& request);
std::string encode(const ImageSummary& summary);
std::string encode(const Error& error);

Result<ImageRequest> decode_request(std::string_view text);

// The image process has read hostile bytes: nothing in its reply is taken on trust.
Result<ImageSummary> decode_reply(std::string_view text);

}  // namespace sandstone::image
