// Canary: the host's side of the experiments, a process that has everything worth stealing and notices what
// reached it. The program that it runs, and what it plants, are in program/canary.h.
#pragma once

#include <sandstone/result.h>
#include <sys/types.h>

#include <map>
#include <set>
#include <string>

#include "base/fd.h"

namespace sandstone::probe {

// Names of all that a canary leaves on the host's file systems.
struct CanaryPlace {
  std::string nonce;
  std::string base;  // its folder

  static Result<CanaryPlace> make();  // makes the folder
  void sweep() const;                 // removes whatever is left, after a canary that was killed
};

class Canary {
 public:
  static Result<Canary> start(const std::string& program, const CanaryPlace& place, bool own_namespaces);
  Canary(Canary&& other) noexcept;
  Canary& operator=(Canary&&) = delete;
  ~Canary();  // ends it and waits until it has cleaned up

  [[nodiscard]] const std::map<std::string, std::string>& parameters() const { return parameters_; }

  Result<void> reset();                     // before a run: plants everything afresh
  Result<std::set<std::string>> inspect();  // after a run: the operations that reached it

 private:
  Canary() = default;
  Result<void> order(const std::string& text);
  Result<std::set<std::string>> answers();  // up to "ready"

  pid_t pid_ = -1;
  Fd to_;
  Fd from_;
  std::string buffer_;
  std::map<std::string, std::string> parameters_;
};

}  // namespace sandstone::probe
