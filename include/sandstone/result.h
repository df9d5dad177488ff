// Result<T>: a value, or an Error that a caller can meet and a person can act on.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <variant>

namespace sandstone {

// What went wrong, as one line a person can act on: the place, what is wrong there, and the remedy.
struct Error {
  std::string where;   // the flag, `file:key`, wall or step that it concerns
  std::string what;    // what is wrong, lower case, no full stop
  std::string remedy;  // what to do about it; may be empty

  // "where: what (remedy)". Control characters in any part are escaped, so that a name taken from hostile
  // input cannot drive the reader's terminal.
  [[nodiscard]] std::string line() const;
};

// Either a T or an Error. Reading value() of a failed result is a programming error and aborts.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}      // NOLINT: implicit by design
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT: implicit by design

  [[nodiscard]] bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  T& value() & { return *std::get_if<0>(&state_); }
  const T& value() const& { return *std::get_if<0>(&state_); }
  T&& value() && { return std::move(*std::get_if<0>(&state_)); }
  T* operator->() { return std::get_if<0>(&state_); }
  T& operator*() & { return value(); }
  T&& operator*() && { return std::move(*this).value(); }

  [[nodiscard]] const Error& error() const { return *std::get_if<1>(&state_); }

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}  // NOLINT: implicit by design

  [[nodiscard]] bool ok() const { return !error_; }
  explicit operator bool() const { return ok(); }
  [[nodiscard]] const Error& error() const { return *error_; }

 private:
  std::optional<Error> error_;
};

}  // namespace sandstone
