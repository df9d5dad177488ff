// Operation: one thing that hostile code would try, and Verdict: what came of it.
//
// "Allowed" is a strong word here. It means that the thing was really gained: the canary's secret was read,
// its answer arrived, the descriptor works. A call that returned 0 proves nothing by itself: a new file may
// sit in a private tmpfs and a signal may have gone to a process of the sandbox. Where only the outside can
// tell, an operation says `claimed`, and the canary on the host (canary.h) confirms or denies it after the
// run.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>

namespace sandstone::probe_program {

struct Verdict {
  enum class Kind : uint8_t {
    allowed,         // gained, with evidence of the host's
    gained,          // of the kernel that answers: the host's, unless the workload has one of its own
    claimed,         // the calls succeeded; evidence is with the canary
    refused,         // the kernel said no: `error`
    without_effect,  // nothing refused, nothing gained: the thing reached was the sandbox's own
    not_applicable,  // this host has no such thing, or the run gave no way to try
  };
  Kind kind = Kind::not_applicable;
  int error = 0;
  std::string detail;
};

Verdict allowed(std::string detail = {});
Verdict gained(std::string detail = {});
Verdict claimed(std::string detail = {});
Verdict refused(std::string step);  // with errno as it stands
Verdict refused(std::string step, int error);
Verdict without_effect(std::string detail);
Verdict not_applicable(std::string reason);

// What the prober tells the program of the host: addresses of canaries, never a secret itself, so that the
// program's own memory, arguments and environment hold nothing that could be mistaken for the loot.
class Parameters {
 public:
  void set(const std::string& word);  // "key=value"
  [[nodiscard]] bool has(const std::string& key) const { return values_.count(key) != 0; }
  [[nodiscard]] std::string text(const std::string& key) const;  // empty if absent
  [[nodiscard]] uint64_t number(const std::string& key) const;   // 0 if absent

  // True if `data` holds the secret whose fingerprint is the parameter `key`.
  [[nodiscard]] bool holds_secret(const std::string& key, const std::string& data) const;

 private:
  std::map<std::string, std::string> values_;
};

struct Operation {
  const char* name;
  const char* area;
  const char* description;  // what an attacker gains by it
  Verdict (*attempt)(const Parameters&);
  bool waits = false;  // for something outside, which may never come: tried beside the others
};

std::span<const Operation> file_operations();
std::span<const Operation> writing_operations();
std::span<const Operation> proc_operations();
std::span<const Operation> device_operations();
std::span<const Operation> network_operations();
std::span<const Operation> netlink_operations();
std::span<const Operation> process_operations();
std::span<const Operation> ipc_operations();
std::span<const Operation> mount_operations();
std::span<const Operation> namespace_operations();
std::span<const Operation> kernel_operations();
std::span<const Operation> privilege_operations();
std::span<const Operation> inherited_operations();

}  // namespace sandstone::probe_program
