#include "spec/config.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>

#include "spec/config_json.h"
#include "spec/config_nearest.h"
#include "spec/config_values.h"

namespace sandstone {
namespace {

// A place in a file: errors are made here, so that each has its JSON pointer.
struct Place {
  const std::string& file;
  std::string pointer;

  [[nodiscard]] Place below(std::string_view key) const { return {file, pointer + pointer_step(key)}; }
  [[nodiscard]] Place below(size_t index) const { return {file, fmt::format("{}/{}", pointer, index)}; }
  [[nodiscard]] Error error(std::string what, std::string remedy = {}) const {
    return {fmt::format("{}: {}", file, pointer.empty() ? "/" : pointer), std::move(what), std::move(remedy)};
  }
  [[nodiscard]] Result<void> locate(Result<void> result) const {
    if (result || !result.error().where.empty()) return result;
    return error(result.error().what, result.error().remedy);
  }
};

Error unknown_key(const Place& place, const std::string& key, const std::vector<std::string_view>& known) {
  const auto near = nearest(key, known);
  return place.below(key).error("unknown key",
                                near.empty() ? std::string() : fmt::format("did you mean '{}'?", near));
}

Result<void> only_keys(const Place& place, const Json& object, const std::vector<std::string_view>& known) {
  for (const auto& [key, value] : object.items())
    if (std::find(known.begin(), known.end(), key) == known.end()) return unknown_key(place, key, known);
  return {};
}

// An integer or fraction in the decimal form that the values' readers take.
std::string number_text(const Json& value) {
  return value.is_number_float() ? fmt::format("{}", value.get<double>()) : value.dump();
}

class Reader {
 public:
  Reader(Draft& draft, const std::string& file) : draft_(draft), file_(file) {}

  Result<void> read(const Json& root) {
    const Place top{file_, {}};
    if (!root.is_object()) return top.error("must be an object", "{\"command\": [\"true\"]}");
    for (const auto& [key, value] : root.items()) {
      const Setting* setting = find_key(key);
      if (setting == nullptr) {
        std::vector<std::string_view> known;
        for (const auto& each : settings()) known.push_back(each.key);
        return unknown_key(top, key, known);
      }
      if (auto result = read_setting(*setting, value, top.below(key)); !result) return result;
    }
    if (root.contains("args") && !root.contains("binary"))
      return top.below("args").error("has no meaning without binary", "add binary, or use command");
    return {};
  }

 private:
  Result<void> apply(const Setting& setting, const Place& place, std::string_view value,
                     std::string_view second = {}) {
    return place.locate(apply_setting(draft_, setting, value, second));
  }

  Result<void> read_setting(const Setting& setting, const Json& value, const Place& place) {
    switch (setting.shape) {
      case Shape::toggle:
        if (!value.is_boolean()) return place.error("must be true or false");
        return apply(setting, place, value.get<bool>() ? "true" : "false");
      case Shape::text:
        if (!value.is_string()) return place.error("must be a string");
        if (value.get_ref<const std::string&>().empty()) return place.error("is empty", "leave it out");
        return apply(setting, place, value.get_ref<const std::string&>());
      case Shape::size:
        return read_number_or_text(setting, value, place, value.is_number_unsigned(),
                                   "a number of bytes or a string such as \"64m\"");
      case Shape::duration:
        return read_number_or_text(setting, value, place, value.is_number(),
                                   "a number of seconds or a string such as \"10s\"");
      case Shape::id:
        return read_number_or_text(setting, value, place, value.is_number_unsigned(),
                                   "a number or a string such as \"1000:1000\"");
      case Shape::count:
        if (!value.is_number_unsigned()) return place.error("must be a whole number");
        return apply(setting, place, number_text(value));
      case Shape::number:
        if (!value.is_number()) return place.error("must be a number");
        return apply(setting, place, number_text(value));
      case Shape::variables:
        if (value.is_object()) return read_variables(setting, value, place);
        [[fallthrough]];
      case Shape::list:
      case Shape::words:
      case Shape::pairs:
      case Shape::ports:
      case Shape::mounts:
        return read_list(setting, value, place);
    }
    return {};
  }

  Result<void> read_number_or_text(const Setting& setting, const Json& value, const Place& place, bool fits,
                                   const char* form) {
    if (fits) return apply(setting, place, number_text(value));
    if (!value.is_string()) return place.error(fmt::format("must be {}", form));
    return apply(setting, place, value.get_ref<const std::string&>());
  }

  Result<void> read_variables(const Setting& setting, const Json& object, const Place& place) {
    for (const auto& [name, value] : object.items()) {
      const Place here = place.below(name);
      if (name.find('=') != std::string::npos)
        return here.error("is not a name for a variable", "no '=' in it");
      if (!value.is_string() && !value.is_null())
        return here.error("must be a string, or null for the caller's own value");
      const std::string text = value.is_null() ? name : name + "=" + value.get_ref<const std::string&>();
      if (auto result = apply(setting, here, text); !result) return result;
    }
    return {};
  }

  Result<void> read_list(const Setting& setting, const Json& value, const Place& place) {
    if (!value.is_array())
      return place.error(setting.shape == Shape::variables ? "must be an object such as {\"NAME\": \"VALUE\"}"
                                                           : "must be an array");
    if (value.empty() && setting.key == "walls")
      return place.error("is empty", "\"tier\": \"none\" for no walls at all");
    if (value.empty() && setting.key == "command") return place.error("is empty", "leave it out");
    size_t index = 0;
    for (const auto& element : value)
      if (auto result = read_element(setting, element, place.below(index++)); !result) return result;
    return {};
  }

  Result<void> read_element(const Setting& setting, const Json& element, const Place& place) {
    if (setting.shape == Shape::pairs) {
      if (!element.is_array() || element.size() != 2 || !element[0].is_string() || !element[1].is_string())
        return place.error("must be a pair", "[\"SRC\", \"DST\"]");
      return apply(setting, place, element[0].get_ref<const std::string&>(),
                   element[1].get_ref<const std::string&>());
    }
    if (setting.shape == Shape::mounts) return read_mount(element, place);
    if (setting.shape == Shape::ports && element.is_object()) return read_forward(setting, element, place);
    if (!element.is_string())
      return place.error(setting.shape == Shape::ports ? "must be a string or an object"
                                                       : "must be a string");
    return apply(setting, place, element.get_ref<const std::string&>());
  }

  // {"type": "bind", "source": ..., "destination": ..., "read_only": true} or {"type": "tmpfs",
  // "destination": ..., "size": ...}: the form that keeps the order of mounts of different kinds.
  Result<void> read_mount(const Json& object, const Place& place) {
    if (!object.is_object())
      return place.error("must be an object", "{\"type\": \"bind\", \"source\": ..., \"destination\": ...}");
    const std::string type = object.contains("type") && object["type"].is_string()
                                 ? object["type"].get<std::string>()
                                 : std::string();
    if (type != "bind" && type != "tmpfs")
      return place.below("type").error("must be there", "\"bind\" or \"tmpfs\"");
    const bool is_bind = type == "bind";
    const std::vector<std::string_view> known =
        is_bind ? std::vector<std::string_view>{"type", "source", "destination", "read_only"}
                : std::vector<std::string_view>{"type", "destination", "size"};
    if (auto result = only_keys(place, object, known); !result) return result;
    for (const char* key : {"source", "destination"})
      if ((is_bind || key[0] == 'd') && (!object.contains(key) || !object[key].is_string()))
        return place.below(key).error("must be a string");
    const auto& destination = object["destination"].get_ref<const std::string&>();
    if (is_bind) {
      const Json read_only = object.value("read_only", Json(false));
      if (!read_only.is_boolean()) return place.below("read_only").error("must be true or false");
      return apply(*find_key(read_only.get<bool>() ? "ro_bind" : "bind"), place,
                   object["source"].get_ref<const std::string&>(), destination);
    }
    if (destination.find(':') != std::string::npos) return place.below("destination").error("holds a colon");
    const Json size = object.value("size", Json(0U));
    if (!size.is_number_unsigned() && !size.is_string())
      return place.below("size").error("must be a number of bytes or a string such as \"64m\"");
    if (size == 0U) return apply(*find_key("tmpfs"), place, destination);
    return apply(*find_key("tmpfs"), place,
                 destination + ":" + (size.is_string() ? size.get<std::string>() : size.dump()));
  }

  // zbox's {"host": 8080, "sandbox": 80}, and what docker's form can say beyond it.
  Result<void> read_forward(const Setting& setting, const Json& object, const Place& place) {
    if (auto result = only_keys(place, object, {"host", "sandbox", "address", "protocol"}); !result)
      return result;
    for (const char* key : {"host", "sandbox"})
      if (!object.contains(key) || !object[key].is_number_unsigned())
        return place.below(key).error("must be a port", "1 to 65535");
    std::string text =
        fmt::format("{}:{}", object["host"].get<uint64_t>(), object["sandbox"].get<uint64_t>());
    for (const char* key : {"address", "protocol"})
      if (object.contains(key) && !object[key].is_string()) return place.below(key).error("must be a string");
    if (object.contains("address")) text = object["address"].get<std::string>() + ":" + text;
    if (object.contains("protocol")) text += "/" + object["protocol"].get<std::string>();
    return apply(setting, place, text);
  }

  Draft& draft_;
  const std::string& file_;
};

}  // namespace

Result<void> apply_config(std::string_view text, const std::string& file, const std::string& directory,
                          Draft& draft) {
  auto root = parse_json(text, file);
  if (!root) return root.error();
  draft.layer = Layer::file;
  draft.file = file;
  draft.directory = directory;
  return Reader(draft, file).read(*root);
}

}  // namespace sandstone
