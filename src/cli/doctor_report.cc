#include <fmt/format.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "cli/doctor.h"
#include "cli/help.h"

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

// "  NAME           LEVEL   DETAIL", wrapped, and the remedy under it.
std::string line(std::string_view name, std::string_view level, std::string_view detail,
                 std::string_view remedy) {
  constexpr size_t kIndent = 25;
  constexpr size_t kRoom = kColumns - kIndent;
  std::string out = fmt::format("  {:<15}{:<8}{}", name, level, wrap(detail, kIndent, kRoom));
  out.erase(out.find_last_not_of(' ') + 1);
  if (!remedy.empty())
    out += fmt::format("\n{:<{}}{}", "", kIndent, wrap(fmt::format("remedy: {}", remedy), kIndent, kRoom));
  return out + "\n";
}

}  // namespace

std::string doctor_text(std::span<const TierFinding> tiers, std::span<const Finding> findings) {
  std::string out = fmt::format("Tiers (Linux {}, user {})\n", kernel_release(), ::geteuid());
  for (const auto& tier : tiers)
    out += line(tier.tier, tier.works ? "yes" : "no",
                tier.works && tier.tier == "full" ? "the default" : tier.why_not, {});
  for (size_t area = 0; area < std::size(kTitles); ++area) {
    out += fmt::format("\n{}\n", kTitles[area]);
    for (const auto& finding : findings) {
      if (static_cast<size_t>(finding.area) != area) continue;
      out += line(finding.name, level_name(finding.level), finding.detail, finding.remedy);
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
        {{"tier", std::string(tier.tier)}, {"works", tier.works}, {"why_not", tier.why_not}});
  for (const auto& finding : findings)
    out["findings"].push_back({{"name", finding.name},
                               {"area", kAreas[static_cast<size_t>(finding.area)]},
                               {"level", level_name(finding.level)},
                               {"detail", finding.detail},
                               {"remedy", finding.remedy}});
  return out.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace sandstone::cli
