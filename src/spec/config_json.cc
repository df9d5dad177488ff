#include "spec/config_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <vector>

namespace sandstone {
namespace {

// Builds the tree itself, because the library's own builder lets the last of two equal keys win.
class Builder : public nlohmann::json_sax<Json> {
 public:
  explicit Builder(std::string_view text, const std::string& file) : text_(text), file_(file) {}

  bool null() override { return add(nullptr); }
  bool boolean(bool value) override { return add(value); }
  bool number_integer(number_integer_t value) override { return add(value); }
  bool number_unsigned(number_unsigned_t value) override { return add(value); }
  bool number_float(number_float_t value, const string_t&) override { return add(value); }
  bool string(string_t& value) override {
    // The kernel's calls end a string at NUL: what was checked would not be what is used.
    if (value.find('\0') != string_t::npos) return refuse("holds a NUL byte", {});
    return add(std::move(value));
  }
  bool binary(binary_t&) override { return false; }

  bool start_object(size_t) override { return open(Json::object()); }
  bool start_array(size_t) override { return open(Json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }

  bool key(string_t& name) override {
    Level& level = levels_.back();
    level.key = name;
    if (name.find('\0') != string_t::npos) return refuse("the key holds a NUL byte", {});
    if (level.node->contains(name)) return refuse("the key is there twice", "drop one of them");
    return true;
  }

  bool parse_error(size_t position, const std::string&,
                   const nlohmann::detail::exception& exception) override {
    const std::string_view before = text_.substr(0, std::min(position > 0 ? position - 1 : 0, text_.size()));
    const auto line = 1 + std::count(before.begin(), before.end(), '\n');
    const size_t start = before.rfind('\n');
    const size_t column = before.size() - (start == std::string_view::npos ? 0 : start + 1) + 1;
    // The library's text says once more where, then what was read and what was expected; long input is not
    // repeated.
    std::string what = exception.what();
    if (const size_t reason = what.find("; expected "); reason != std::string::npos)
      what = what.substr(reason + 2);
    else if (const size_t dash = what.find(" - "); dash != std::string::npos)
      what = what.substr(dash + 3);
    else if (const size_t close = what.find("] "); close != std::string::npos)
      what = what.substr(close + 2);
    constexpr size_t kLongest = 120;
    if (what.size() > kLongest) what = what.substr(0, kLongest) + "...";
    error_ = Error{fmt::format("{}:{}:{}", file_, line, column), "this is not JSON: " + what, {}};
    return false;
  }

  Result<Json> take() {
    if (error_) return *error_;
    return std::move(root_);
  }

 private:
  struct Level {
    Json* node;
    std::string key;
  };

  bool refuse(std::string what, std::string remedy) {
    std::string pointer;
    for (const Level& level : levels_) {
      // The element that is being read is in the array already if it is a level of its own.
      const size_t index = level.node->size() - (&level == &levels_.back() ? 0 : 1);
      pointer += level.node->is_array() ? fmt::format("/{}", index) : pointer_step(level.key);
    }
    error_ = Error{fmt::format("{}: {}", file_, pointer.empty() ? "/" : pointer), std::move(what),
                   std::move(remedy)};
    return false;
  }

  Json* place(Json&& value) {
    if (levels_.empty()) {
      root_ = std::move(value);
      return &root_;
    }
    Level& level = levels_.back();
    if (level.node->size() >= kMostEntries) {
      refuse(fmt::format("more than {} entries", kMostEntries), {});
      return nullptr;
    }
    if (level.node->is_array()) {
      level.node->push_back(std::move(value));
      return &level.node->back();
    }
    return &(*level.node)[level.key].operator=(std::move(value));
  }

  template <typename T>
  bool add(T&& value) {
    return place(Json(std::forward<T>(value))) != nullptr;
  }

  // A level's node stays where it is while it is open: only its own children are added to.
  bool open(Json&& container) {
    if (levels_.size() >= kDeepestJson)
      return refuse(fmt::format("nested deeper than {} levels", kDeepestJson), {});
    Json* node = place(std::move(container));
    if (node == nullptr) return false;
    levels_.push_back({node, {}});
    return true;
  }

  bool close() {
    levels_.pop_back();
    return true;
  }

  std::string_view text_;
  const std::string& file_;
  Json root_;
  std::vector<Level> levels_;
  std::optional<Error> error_;
};

}  // namespace

Result<Json> parse_json(std::string_view text, const std::string& file) {
  if (text.size() > kLargestJson) return Error{file, "larger than 1 MiB", {}};
  Builder builder(text, file);
  (void)Json::sax_parse(text.begin(), text.end(), &builder);  // what went wrong is in the builder
  return builder.take();
}

std::string pointer_step(std::string_view key) {
  std::string step = "/";
  for (const char c : key) {
    if (c == '~')
      step += "~0";
    else if (c == '/')
      step += "~1";
    else
      step += c;
  }
  return step;
}

}  // namespace sandstone
