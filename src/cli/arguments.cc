#include "cli/arguments.h"

#include <fmt/format.h>

#include <algorithm>

#include "spec/config_nearest.h"

namespace sandstone::cli {
namespace {

class Parser {
 public:
  Parser(std::span<const Flag* const> flags, std::span<char* const> words) : flags_(flags), rest_(words) {}

  Result<Arguments> parse() {
    while (!rest_.empty()) {
      const std::string_view word = rest_[0];
      if (word.size() < 2 || word[0] != '-') break;
      rest_ = rest_.subspan(1);
      if (word == "--") break;
      if (auto result = word[1] == '-' ? read_long(word.substr(2)) : read_short(word.substr(1)); !result)
        return result.error();
    }
    out_.words = rest_;
    return std::move(out_);
  }

 private:
  Result<void> read_long(std::string_view word) {
    const size_t equals = word.find('=');
    const std::string_view name = word.substr(0, equals);
    const auto found =
        std::find_if(flags_.begin(), flags_.end(), [&](const Flag* flag) { return flag->name == name; });
    if (found == flags_.end()) return unknown(name);
    Argument argument{*found, "true", {}};
    if (equals != std::string_view::npos) {
      argument.value = word.substr(equals + 1);
      if ((*found)->values == 0 && argument.value != "true" && argument.value != "false")
        return Error{argument.name(), fmt::format("'{}' is not a value for a switch", argument.value),
                     "true or false"};
    }
    return take(argument, equals != std::string_view::npos);
  }

  Result<void> read_short(std::string_view letters) {
    while (!letters.empty()) {
      const char letter = letters[0];
      letters.remove_prefix(1);
      const auto found = std::find_if(flags_.begin(), flags_.end(),
                                      [&](const Flag* flag) { return flag->letter == letter; });
      if (found == flags_.end())
        return Error{fmt::format("-{}", letter), "unknown option", "--help lists them"};
      Argument argument{*found, "true", {}, true};
      if ((*found)->values == 0) {
        out_.given.push_back(argument);
        continue;
      }
      const bool attached = !letters.empty();
      if (attached) argument.value = letters[0] == '=' ? letters.substr(1) : letters;
      return take(argument, attached);
    }
    return {};
  }

  Result<void> take(Argument argument, bool has_first) {
    const Flag& flag = *argument.flag;
    for (uint8_t i = has_first ? 1 : 0; i < flag.values; ++i) {
      if (rest_.empty()) return Error{argument.name(), "needs a value", std::string(flag.value)};
      (i == 0 ? argument.value : argument.second) = rest_[0];
      rest_ = rest_.subspan(1);
    }
    out_.given.push_back(argument);
    return {};
  }

  [[nodiscard]] Error unknown(std::string_view name) const {
    std::vector<std::string_view> names;
    for (const Flag* flag : flags_) names.push_back(flag->name);
    const auto near = nearest(name, names);
    return {fmt::format("--{}", name), "unknown option",
            near.empty() ? "--help lists them" : fmt::format("did you mean --{}?", near)};
  }

  std::span<const Flag* const> flags_;
  std::span<char* const> rest_;
  Arguments out_;
};

}  // namespace

std::string Argument::name() const {
  return by_letter ? fmt::format("-{}", flag->letter) : fmt::format("--{}", flag->name);
}

Result<Arguments> parse_arguments(std::span<const Flag* const> flags, std::span<char* const> words) {
  return Parser(flags, words).parse();
}

}  // namespace sandstone::cli
