#include "image/wire.h"

#include <nlohmann/json.hpp>

#include "image/config.h"

namespace sandstone::image {
namespace {

using nlohmann::json;

std::string text_of(const json& object) {
  return object.dump(-1, ' ', false, json::error_handler_t::replace);
}

Error malformed() {
  return Error{"image", "malformed message", "install sandstone and sandstone-image from one build"};
}

// Each leaves `out` alone and says false if the key is absent or of another kind.
bool read(const json& object, const char* key, std::string& out) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_string()) return false;
  out = found->get<std::string>();
  return true;
}

bool read(const json& object, const char* key, uint64_t& out) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_number_unsigned()) return false;
  out = found->get<uint64_t>();
  return true;
}

}  // namespace

std::string encode(const ImageRequest& request) {
  json object = {{"task", static_cast<unsigned>(request.task)},
                 {"source", request.source},
                 {"owner", static_cast<unsigned>(request.owner)},
                 {"uid", request.caller_uid},
                 {"gid", request.caller_gid},
                 {"name", request.name},
                 {"platform", request.platform}};
  if (request.size) object["size"] = *request.size;
  return text_of(object);
}

std::string encode(const ImageSummary& summary) {
  json object = {{"bytes", summary.bytes}, {"used", summary.used}, {"entries", summary.entries}};
  if (summary.config) object["config"] = json::parse(config_text(*summary.config));
  return text_of(object);
}

std::string encode(const Error& error) {
  return text_of({{"where", error.where}, {"what", error.what}, {"remedy", error.remedy}});
}

Result<ImageRequest> decode_request(std::string_view text) {
  const json object = json::parse(text, nullptr, false);
  if (!object.is_object()) return malformed();
  ImageRequest request;
  uint64_t task = 0;
  uint64_t owner = 0;
  uint64_t uid = 0;
  uint64_t gid = 0;
  uint64_t size = 0;
  if (!read(object, "task", task) || task > static_cast<unsigned>(Task::import_archive) ||
      !read(object, "owner", owner) || owner > static_cast<unsigned>(ImageOwner::root) ||
      !read(object, "uid", uid) || uid > UINT32_MAX || !read(object, "gid", gid) || gid > UINT32_MAX ||
      !read(object, "source", request.source) || !read(object, "name", request.name) ||
      !read(object, "platform", request.platform))
    return malformed();
  request.task = static_cast<Task>(task);
  request.owner = static_cast<ImageOwner>(owner);
  request.caller_uid = static_cast<uint32_t>(uid);
  request.caller_gid = static_cast<uint32_t>(gid);
  if (read(object, "size", size)) request.size = size;
  return request;
}

Result<ImageSummary> decode_reply(std::string_view text) {
  const json object = json::parse(text, nullptr, false);
  if (!object.is_object()) return malformed();
  if (Error error; read(object, "what", error.what)) {
    read(object, "where", error.where);
    read(object, "remedy", error.remedy);
    return error;
  }
  ImageSummary summary;
  if (!read(object, "bytes", summary.bytes) || !read(object, "used", summary.used) ||
      !read(object, "entries", summary.entries))
    return malformed();
  if (const auto found = object.find("config"); found != object.end()) {
    auto config = config_from(*found, "image");
    if (!config) return config.error();
    summary.config = std::move(*config);
  }
  return summary;
}

}  // namespace sandstone::image
