// `sandstone doctor`: what this host can do, found by trying it, and the remedy for what it cannot.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sandstone::cli {

enum class Level : uint8_t { yes, partly, no };
enum class Area : uint8_t { walls, view, limits, network, machine };

struct Finding {
  std::string name;  // the wall's, or the flag's
  Area area;
  Level level;
  std::string detail;
  std::string remedy;  // for what is missing
};

// Each tries its own part. They start short-lived processes, and change nothing that outlives these.
void examine_namespaces(std::vector<Finding>& findings);  // user to time, root, proc-mask, --rootfs
void examine_kernel(std::vector<Finding>& findings);      // landlock, seccomp, memfd
void examine_cgroup(std::vector<Finding>& findings);
void examine_devices(std::vector<Finding>& findings);  // --network user, KVM

struct TierFinding {
  std::string_view tier;
  std::vector<std::string> lacking;  // names of findings; empty: the tier works
};

// What each tier needs, held against the findings.
std::vector<TierFinding> judge_tiers(std::span<const Finding> findings);

std::string doctor_text(std::span<const TierFinding> tiers, std::span<const Finding> findings);
std::string doctor_json(std::span<const TierFinding> tiers, std::span<const Finding> findings);

}  // namespace sandstone::cli
