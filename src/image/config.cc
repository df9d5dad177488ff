#include "image/config.h"

#include <endian.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/fd.h"

namespace sandstone::image {
namespace {

using nlohmann::json;

constexpr std::string_view kMagic = "sandstone-config";
constexpr size_t kHead = kMagic.size() + sizeof(uint32_t);

// What becomes an argument of execve(2) must have no byte 0 in it: it would end there, unseen.
bool is_plain(const json& value) {
  return value.is_string() && value.get_ref<const std::string&>().find('\0') == std::string::npos;
}

Result<void> read_words(const json& object, const char* key, const std::string& where,
                        std::vector<std::string>& out) {
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) return {};
  if (!found->is_array()) return Error{where, fmt::format("{} is not a list", key), {}};
  for (const json& word : *found) {
    if (!is_plain(word)) return Error{where, fmt::format("{} holds something else than words", key), {}};
    out.push_back(word.get<std::string>());
  }
  return {};
}

Result<void> read_word(const json& object, const char* key, const std::string& where, std::string& out) {
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) return {};
  if (!is_plain(*found)) return Error{where, fmt::format("{} is not a word", key), {}};
  out = found->get<std::string>();
  return {};
}

}  // namespace

Result<ImageConfig> config_from(const json& object, const std::string& where) {
  if (!object.is_object()) return Error{where, "the config is not an object", {}};
  ImageConfig config;
  for (const auto& [key, list] :
       {std::pair{"Entrypoint", &config.entrypoint}, {"Cmd", &config.cmd}, {"Env", &config.env}})
    if (auto read = read_words(object, key, where, *list); !read) return read.error();
  for (const auto& [key, word] : {std::pair{"WorkingDir", &config.working_dir}, {"User", &config.user}})
    if (auto read = read_word(object, key, where, *word); !read) return read.error();
  return config;
}

Result<ImageConfig> parse_config(std::string_view text, const std::string& where) {
  const json object = json::parse(text, nullptr, false);
  if (object.is_discarded()) return Error{where, "the config is not JSON", {}};
  return config_from(object, where);
}

std::string config_text(const ImageConfig& config) {
  const json object = {{"Entrypoint", config.entrypoint},
                       {"Cmd", config.cmd},
                       {"Env", config.env},
                       {"WorkingDir", config.working_dir},
                       {"User", config.user}};
  return object.dump(-1, ' ', false, json::error_handler_t::replace);
}

Result<std::string> config_area(const ImageConfig& config) {
  const std::string text = config_text(config);
  if (text.size() > kConfigArea - kHead)
    return Error{"config", fmt::format("the image's command and environment take {} bytes", text.size()),
                 fmt::format("{} is the most", kConfigArea - kHead)};
  const uint32_t length = htole32(static_cast<uint32_t>(text.size()));
  std::string area(kMagic);
  area.append(reinterpret_cast<const char*>(&length), sizeof length);
  area += text;
  area.resize(kConfigArea);
  return area;
}

}  // namespace sandstone::image

namespace sandstone {

Result<std::optional<ImageConfig>> read_image_config(const std::string& image) {
  using namespace sandstone::image;
  // Not blocking: a FIFO by that name must not make this wait for a writer.
  const Fd file(::open(image.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!file.valid()) return system_error(image, "cannot open", errno);
  const off_t size = ::lseek(file.get(), 0, SEEK_END);
  if (size < 0) return system_error(image, "is not an image", errno);
  if (static_cast<size_t>(size) < kConfigArea) return std::optional<ImageConfig>();
  std::string area(kConfigArea, '\0');
  const ssize_t got = ::pread(file.get(), area.data(), area.size(), size - static_cast<off_t>(kConfigArea));
  if (got < 0) return system_error(image, "cannot read", errno);
  if (static_cast<size_t>(got) != kConfigArea || !area.starts_with(kMagic))
    return std::optional<ImageConfig>();
  uint32_t length = 0;
  std::memcpy(&length, area.data() + kMagic.size(), sizeof length);
  length = le32toh(length);
  if (length > kConfigArea - kHead)
    return Error{image, "the config at its end is damaged", "import the image again"};
  auto config = parse_config(std::string_view(area).substr(kHead, length), image);
  if (!config) return config.error();
  return std::optional(std::move(*config));
}

}  // namespace sandstone
