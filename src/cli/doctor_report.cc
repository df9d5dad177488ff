#include <fmt/format.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "cli/doctor.h"

namespace sandstone::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kLevels[] = {"yes", "partly", "no"};
constexpr const char* kAreas[] = {"walls", "view", "limits", "network", "machine"};
constexpr const char* kTitles[] = {"Walls", "View", "Limits", "Network",
                                   "Virtual machines (no tier needs them yet)"};

const char* level_name(Level level) {
  return kLevels[static_cast<size_t>(level)];
}

std::string kernel_release() {
  utsname name{};
  return ::uname(&name) == 0 ? std::string(name.release) : std::string("unknown");
}

std::string joined(const std::vector<std::string>& names) {
  return fmt::format("{}", fmt::join(names, ", "));
}

}  // namespace

std::string doctor_text(std::span<const TierFinding> tiers, std::span<const Finding> findings) {
  std::string out = fmt::format("Tiers (Linux {}, user {})\n", kernel_release(), ::geteuid());
  for (const auto& tier : tiers) {
    const bool works = tier.lacking.empty();
    const std::string note =
        works ? (tier.tier == "full" ? "the default" : "") : "lacks " + joined(tier.lacking);
    out += fmt::format("  {:<15}{}", tier.tier, works ? "yes" : "no");
    out += note.empty() ? "\n" : fmt::format("{:<{}}{}\n", "", works ? 5 : 6, note);
  }
  for (size_t area = 0; area < std::size(kTitles); ++area) {
    out += fmt::format("\n{}\n", kTitles[area]);
    for (const auto& finding : findings) {
      if (static_cast<size_t>(finding.area) != area) continue;
      out += fmt::format("  {:<15}{:<8}{}\n", finding.name, level_name(finding.level), finding.detail);
      if (!finding.remedy.empty()) out += fmt::format("  {:<23}remedy: {}\n", "", finding.remedy);
    }
  }
  return out;
}

std::string doctor_json(std::span<const TierFinding> tiers, std::span<const Finding> findings) {
  Json out = {{"kernel", kernel_release()},
              {"uid", ::geteuid()},
              {"tiers", Json::array()},
              {"findings", Json::array()}};
  for (const auto& tier : tiers)
    out["tiers"].push_back(
        {{"tier", std::string(tier.tier)}, {"works", tier.lacking.empty()}, {"lacking", tier.lacking}});
  for (const auto& finding : findings)
    out["findings"].push_back({{"name", finding.name},
                               {"area", kAreas[static_cast<size_t>(finding.area)]},
                               {"level", level_name(finding.level)},
                               {"detail", finding.detail},
                               {"remedy", finding.remedy}});
  return out.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace sandstone::cli
