// What the launcher has that a workload must not inherit: a secret in the environment, open files, a key in
// the session keyring, a controlling terminal. All of it is planted in the process that starts the sandboxes.
#pragma once

#include <map>
#include <string>

#include "base/fd.h"

namespace sandstone::probe {

class Bequest {
 public:
  // `canary` are the canary's parameters: its home and its terminal.
  explicit Bequest(const std::map<std::string, std::string>& canary);

  [[nodiscard]] const std::map<std::string, std::string>& parameters() const { return parameters_; }

 private:
  void leave_files_open(const std::string& secret, const std::string& home);
  void store_key(const std::string& secret);
  void take_terminal(const std::string& path);
  void describe_launcher();

  Fd file_;
  Fd folder_;
  Fd terminal_;
  std::map<std::string, std::string> parameters_;
};

}  // namespace sandstone::probe
