#include "net/wire.h"

#include <nlohmann/json.hpp>

namespace sandstone::net {
namespace {

using nlohmann::json;

// Subjects may hold any byte; what is not UTF-8 is replaced, not refused.
std::string dump(const json& value) {
  return value.dump(-1, ' ', true, json::error_handler_t::replace);
}

Error malformed() {
  return Error{"network", "malformed message", "use files of one version of Sandstone"};
}

std::string text_of(const json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

}  // namespace

std::string encode(const PolicyMessage& message) {
  json forwards = json::array();
  for (const PortForward& forward : message.forwards)
    forwards.push_back({{"address", forward.host_address},
                        {"port", forward.host_port},
                        {"to", forward.sandbox_port},
                        {"udp", forward.udp}});
  return dump({{"allow", message.allow}, {"forwards", forwards}});
}

std::string encode(const Ready&) {
  return R"({"ready":true})";
}

std::string encode(const Error& message) {
  return dump({{"error", {{"where", message.where}, {"what", message.what}, {"remedy", message.remedy}}}});
}

std::string encode(const NetDenial& message) {
  return dump({{"denial",
                {{"operation", message.operation}, {"subject", message.subject}, {"count", message.count}}}});
}

Result<PolicyMessage> decode_policy(const std::string& text) {
  const json document = json::parse(text, nullptr, false);
  if (!document.is_object() || !document.contains("allow") || !document.contains("forwards"))
    return malformed();
  PolicyMessage message;
  for (const json& rule : document["allow"]) {
    if (!rule.is_string()) return malformed();
    message.allow.push_back(rule.get<std::string>());
  }
  for (const json& entry : document["forwards"]) {
    if (!entry.is_object()) return malformed();
    const auto port = [&](const char* key) -> unsigned {
      const auto found = entry.find(key);
      return found != entry.end() && found->is_number_unsigned() ? found->get<unsigned>() : 0;
    };
    if (port("port") == 0 || port("port") > 65535 || port("to") == 0 || port("to") > 65535)
      return malformed();
    message.forwards.push_back({text_of(entry, "address"), static_cast<uint16_t>(port("port")),
                                static_cast<uint16_t>(port("to")),
                                entry.value("udp", json(false)) == json(true)});
  }
  return message;
}

Result<std::variant<Ready, Error, NetDenial>> decode_event(const std::string& text) {
  using Event = std::variant<Ready, Error, NetDenial>;
  const json document = json::parse(text, nullptr, false);
  if (!document.is_object() || document.size() != 1) return malformed();
  const json& value = document.begin().value();
  if (document.begin().key() == "ready") return Event(Ready{});
  if (!value.is_object()) return malformed();
  if (document.begin().key() == "error")
    return Event(Error{text_of(value, "where"), text_of(value, "what"), text_of(value, "remedy")});
  if (document.begin().key() != "denial") return malformed();
  const auto count = value.find("count");
  return Event(NetDenial{text_of(value, "operation"), text_of(value, "subject"),
                         count != value.end() && count->is_number_unsigned() ? count->get<uint64_t>() : 1});
}

}  // namespace sandstone::net
