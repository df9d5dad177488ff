// What of the host can be seen to change from outside: looked at before and after a run in which the workload
// was root of a kernel of its own.
#pragma once

#include <map>
#include <set>
#include <string>

namespace sandstone::probe {

class HostState {
 public:
  static HostState look();  // from the caller's namespaces, which the sandbox was started from

  // The operations that could have made the difference to `later`; empty if there is none.
  [[nodiscard]] std::set<std::string> differences(const HostState& later) const;

 private:
  std::map<std::string, std::string> parts_;
};

}  // namespace sandstone::probe
