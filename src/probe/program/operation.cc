#include "probe/program/operation.h"

#include <cerrno>
#include <cstdlib>

#include "probe/program/secret.h"

namespace sandstone::probe_program {

Verdict allowed(std::string detail) {
  return {Verdict::Kind::allowed, 0, std::move(detail)};
}
Verdict gained(std::string detail) {
  return {Verdict::Kind::gained, 0, std::move(detail)};
}
Verdict claimed(std::string detail) {
  return {Verdict::Kind::claimed, 0, std::move(detail)};
}
Verdict refused(std::string step) {
  return {Verdict::Kind::refused, errno, std::move(step)};
}
Verdict refused(std::string step, int error) {
  return {Verdict::Kind::refused, error, std::move(step)};
}
Verdict without_effect(std::string detail) {
  return {Verdict::Kind::without_effect, 0, std::move(detail)};
}
Verdict not_applicable(std::string reason) {
  return {Verdict::Kind::not_applicable, 0, std::move(reason)};
}

void Parameters::set(const std::string& word) {
  const size_t equals = word.find('=');
  if (equals != std::string::npos) values_[word.substr(0, equals)] = word.substr(equals + 1);
}

std::string Parameters::text(const std::string& key) const {
  const auto found = values_.find(key);
  return found == values_.end() ? std::string() : found->second;
}

uint64_t Parameters::number(const std::string& key) const {
  return std::strtoull(text(key).c_str(), nullptr, 0);
}

bool Parameters::holds_secret(const std::string& key, const std::string& data) const {
  return has(key) && contains_secret(data, number(key));
}

}  // namespace sandstone::probe_program
