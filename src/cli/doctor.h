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
void examine_walls(
    std::vector<Finding>& findings);  // what each wall says of this host, and what trying it shows
void examine_devices(std::vector<Finding>& findings);  // --rootfs, --network user, KVM

struct TierFinding {
  std::string_view tier;
  bool works;
  std::string why_not;  // one line, escaped
};

// Raises all walls of each tier around a program that is not there: that it is not found shows that they
// stand.
std::vector<TierFinding> try_tiers();

std::string doctor_text(std::span<const TierFinding> tiers, std::span<const Finding> findings);
std::string doctor_json(std::span<const TierFinding> tiers, std::span<const Finding> findings);

}  // namespace sandstone::cli
