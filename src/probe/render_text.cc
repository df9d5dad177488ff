#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "probe/render.h"

namespace sandstone::probe {
namespace {

constexpr size_t kNameWidth = 23;
constexpr size_t kResultWidth = 12;
constexpr size_t kBareWidth = 10;  // the column of the tier `none`

enum class Tone : uint8_t { plain, good, open, bad, faint, strong };

class Printer {
 public:
  Printer(const Report& report, const TextOptions& options) : report_(report), options_(options) {
    size_t walled = 0;
    size_t used = 2 + kNameWidth;
    for (const Column& tier : report.tiers) {
      walled += is_narrow(tier) ? 0 : 1;
      used += is_narrow(tier) ? width(tier) : 0;
    }
    const size_t left = options.columns - std::min(options.columns, used);
    column_ = walled == 0 ? 0 : std::max(left / walled, kResultWidth + 6);
  }

  std::string print() {
    head();
    std::string area;
    for (const Row& row : report_.rows) {
      if (row.operation.area != area) {
        area = row.operation.area;
        heading(area);
      }
      line(row);
    }
    foot();
    return std::move(text_);
  }

 private:
  void head() {
    text_ += fmt::format(
        "{} operations on {} {}, caller uid {}, workload uid {} (the strongest attacker), {} runs\n",
        report_.rows.size(), escape_for_terminal(report_.kernel), escape_for_terminal(report_.machine),
        report_.caller_uid, report_.workload_uid,
        std::count_if(report_.experiments.begin(), report_.experiments.end(),
                      [](const Experiment& e) { return e.run.has_value(); }));
  }

  void heading(const std::string& area) {
    text_ += '\n';
    put(fmt::format("{:<{}}", escape_for_terminal(area), kNameWidth + 2), Tone::strong);
    for (const Column& tier : report_.tiers)
      put(fmt::format("{:<{}}", to_string(tier), width(tier)), Tone::faint);
    end_line();
  }

  void line(const Row& row) {
    text_ += fmt::format("  {:<{}}", escape_for_terminal(row.operation.name), kNameWidth);
    for (const Column& tier : report_.tiers) {
      const auto found = row.cells.find(tier);
      if (found != row.cells.end()) cell(row, tier, found->second);
    }
    end_line();
  }

  void cell(const Row& row, const Column& tier, const Cell& cell) {
    const bool broken = row.promise_broken(tier);
    std::string word = cell.attempt.word();
    if (cell.attempt.kind == Attempt::Kind::not_applicable) word = "-";
    if (broken) word = "ALLOWED !";
    const bool bare = tier == Tier::none;
    Tone tone = Tone::faint;
    if (broken)
      tone = Tone::bad;
    else if (cell.attempt.allowed())
      tone = bare ? Tone::plain : Tone::open;
    else if (cell.attempt.stopped() && row.control.found)
      tone = Tone::good;
    const size_t result = is_narrow(tier) ? width(tier) - 1 : kResultWidth;
    put(fmt::format("{:<{}.{}} ", word, result, result), tone);
    if (is_narrow(tier)) return;
    const size_t space = width(tier) - kResultWidth - 1;
    put(fmt::format("{:<{}}", shorten(cell.blocker, space - 1), space), Tone::faint);
  }

  static std::string brief(const std::string& wall) {
    static const std::map<std::string, std::string> kBrief = {{"capabilities", "caps"},
                                                              {"no-new-privs", "nnp"},
                                                              {"environment", "env"},
                                                              {"descriptors", "fds"},
                                                              {"proc-mask", "mask"}};
    const auto found = kBrief.find(wall);
    return found == kBrief.end() ? wall : found->second;
  }

  static std::string join(const WallSet& walls, const char* glue) {
    std::string text;
    for (const std::string& wall : walls) text += (text.empty() ? "" : glue) + brief(wall);
    return text;
  }

  // The whole text where there is room for it; then brief names; then as many as fit, and how many more.
  static std::string shorten(const Blocker& blocker, size_t space) {
    std::string text = blocker.text();
    if (text.size() <= space) return text;
    std::vector<std::string> terms;  // each of them is enough
    if (blocker.kind == Blocker::Kind::joint)
      terms.push_back(join(blocker.walls, "&"));
    else
      for (const std::string& wall : blocker.walls) terms.push_back(brief(wall));
    if (blocker.kind == Blocker::Kind::combined)
      terms.push_back(blocker.together.empty() ? "several" : join(blocker.together, "&"));
    for (size_t keep = terms.size(); keep > 0; --keep) {
      std::string candidate = join({terms.begin(), terms.begin() + static_cast<ptrdiff_t>(keep)}, "+");
      if (keep < terms.size()) candidate += fmt::format("+{}", terms.size() - keep);
      if (candidate.size() <= space) return candidate;
    }
    return fmt::format("{} walls", blocker.walls.size() + blocker.together.size());
  }

  void foot() {
    text_ += '\n';
    for (const Column& tier : report_.tiers) {
      const Summary s = summarise(report_, tier);
      put(fmt::format("{:<9}", to_string(tier)), Tone::strong);
      text_ += fmt::format("{:>4} stopped  {:>4} allowed  {:>4} without control", s.stopped, s.allowed,
                           s.no_control);
      if (tier.own_kernel()) text_ += fmt::format("  {:>4} of its own", s.own);
      if (s.promised != 0) {
        text_ += fmt::format("  {:>4} promised: {} kept", s.promised, s.kept);
        if (s.untried != 0) text_ += fmt::format(", {} cannot be tried here", s.untried);
        if (s.broken != 0) put(fmt::format(", {} BROKEN", s.broken), Tone::bad);
      }
      end_line();
    }
    for (const Experiment& experiment : report_.experiments)
      if (experiment.kind == Experiment::Kind::tier && !experiment.run)
        text_ +=
            fmt::format("{:<9}not tried: {}\n", experiment.label(), escape_for_terminal(experiment.why_not));
    text_ +=
        "\nwhat stopped it   a: taking the wall a away lets it through   a & b: taking either does   a + b: "
        "each stops it alone\n"
        "                  a*: a does, but this caller cannot take it away alone to make sure    +2: and two "
        "more\n"
        "                  caps, env, fds, mask, nnp: capabilities, environment, descriptors, proc-mask, "
        "no-new-privs\n"
        "no control        it succeeds in no run on this host, so that its failure proves nothing\n"
        "no effect         nothing refused it, but what it reached was the sandbox's own    -: cannot be "
        "tried here\n"
        "own               gained, but of the kernel that the workload has to itself: the host's side saw "
        "nothing of it\n";
  }

  // Where there is no wall to name: on the bare host, and behind a kernel of the workload's own.
  static bool is_narrow(const Column& tier) { return tier == Tier::none || tier.own_kernel(); }

  [[nodiscard]] size_t width(const Column& tier) const {
    return is_narrow(tier) ? std::max(kBareWidth, to_string(tier).size() + 2) : column_;
  }

  void put(const std::string& piece, Tone tone) {
    constexpr const char* kCodes[] = {"", "\x1b[32m", "\x1b[33m", "\x1b[1;37;41m", "\x1b[2m", "\x1b[1m"};
    if (!options_.colour || tone == Tone::plain)
      text_ += piece;
    else
      text_ += kCodes[static_cast<size_t>(tone)] + piece + "\x1b[0m";
  }

  void end_line() {
    if (!options_.colour)
      while (text_.ends_with(' ')) text_.pop_back();
    text_ += '\n';
  }

  const Report& report_;
  const TextOptions& options_;
  size_t column_ = 0;
  std::string text_;
};

}  // namespace

std::string render_text(const Report& report, const TextOptions& options) {
  return Printer(report, options).print();
}

}  // namespace sandstone::probe
