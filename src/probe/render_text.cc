#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "probe/render.h"

namespace sandstone::probe {
namespace {

constexpr size_t kNameWidth = 25;
constexpr size_t kResultWidth = 10;

enum class Tone : uint8_t { plain, good, open, bad, faint, strong };

class Printer {
 public:
  Printer(const Report& report, const TextOptions& options) : report_(report), options_(options) {
    const size_t walled = static_cast<size_t>(std::count_if(report.tiers.begin(), report.tiers.end(), [](Tier t) { return t != Tier::none; }));
    const size_t bare = report.tiers.size() - walled;
    const size_t left = options.columns - std::min(options.columns, 2 + kNameWidth + bare * (kResultWidth + 1));
    column_ = walled == 0 ? 0 : std::max(left / walled, kResultWidth + 8);
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
    text_ += fmt::format("{} operations on {} {}, caller uid {}, workload uid {} (the strongest attacker), {} runs\n",
                         report_.rows.size(), escape_for_terminal(report_.kernel), escape_for_terminal(report_.machine), report_.caller_uid,
                         report_.workload_uid, std::count_if(report_.experiments.begin(), report_.experiments.end(), [](const Experiment& e) { return e.run.has_value(); }));
  }

  void heading(const std::string& area) {
    text_ += '\n';
    put(fmt::format("{:<{}}", escape_for_terminal(area), kNameWidth + 2), Tone::strong);
    for (const Tier tier : report_.tiers) put(fmt::format("{:<{}}", to_string(tier), width(tier)), Tone::faint);
    end_line();
  }

  void line(const Row& row) {
    text_ += fmt::format("  {:<{}}", escape_for_terminal(row.operation.name), kNameWidth);
    for (const Tier tier : report_.tiers) {
      const auto found = row.cells.find(tier);
      if (found != row.cells.end()) cell(row, tier, found->second);
    }
    end_line();
  }

  void cell(const Row& row, Tier tier, const Cell& cell) {
    const bool broken = row.promise_broken(tier);
    std::string word = cell.attempt.word();
    if (cell.attempt.kind == Attempt::Kind::not_applicable) word = "-";
    if (broken) word = "ALLOWED !";
    const bool bare = tier == Tier::none;
    Tone tone = Tone::faint;
    if (broken) tone = Tone::bad;
    else if (cell.attempt.allowed()) tone = bare ? Tone::plain : Tone::open;
    else if (cell.attempt.stopped() && row.control.found) tone = Tone::good;
    put(fmt::format("{:<{}.{}} ", word, kResultWidth, kResultWidth), tone);
    if (bare) return;
    const size_t space = width(tier) - kResultWidth - 1;
    put(fmt::format("{:<{}}", shorten(cell.blocker, space - 1), space), Tone::faint);
  }

  // As many names as fit, then how many more.
  static std::string shorten(const Blocker& blocker, size_t space) {
    std::string text = blocker.text();
    if (blocker.kind == Blocker::Kind::not_separable && text.size() > space) text = "not separable";
    if (text.size() <= space) return text;
    const char* glue = blocker.kind == Blocker::Kind::joint ? " & " : " + ";
    for (size_t keep = blocker.walls.size(); keep-- > 0;) {
      std::string candidate;
      for (size_t i = 0; i < keep; ++i) candidate += (i == 0 ? "" : glue) + blocker.walls[i];
      candidate += fmt::format("{}{} {}", keep == 0 ? "" : " +", blocker.walls.size() - keep, keep == 0 ? "walls" : "more");
      if (candidate.size() <= space) return candidate;
    }
    return text.substr(0, space);
  }

  void foot() {
    text_ += '\n';
    for (const Tier tier : report_.tiers) {
      const Summary s = summarise(report_, tier);
      put(fmt::format("{:<9}", to_string(tier)), Tone::strong);
      text_ += fmt::format("{:>4} stopped  {:>4} allowed  {:>4} without control", s.stopped, s.allowed, s.no_control);
      if (s.promised != 0) {
        text_ += fmt::format("  {:>4} promised: {} kept", s.promised, s.kept);
        if (s.untried != 0) text_ += fmt::format(", {} cannot be tried here", s.untried);
        if (s.broken != 0) put(fmt::format(", {} BROKEN", s.broken), Tone::bad);
      }
      end_line();
    }
    text_ +=
        "\na: taking wall a away lets it through    a & b: taking either away does    a + b: each stops it alone\n"
        "no control: it never succeeds on this host, so its failure proves nothing    no effect: it reached only the sandbox's own\n";
  }

  [[nodiscard]] size_t width(Tier tier) const { return tier == Tier::none ? kResultWidth + 1 : column_; }

  void put(const std::string& piece, Tone tone) {
    constexpr const char* kCodes[] = {"", "\x1b[32m", "\x1b[33m", "\x1b[1;37;41m", "\x1b[2m", "\x1b[1m"};
    if (!options_.colour || tone == Tone::plain) text_ += piece;
    else text_ += kCodes[static_cast<size_t>(tone)] + piece + "\x1b[0m";
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

std::string render_text(const Report& report, const TextOptions& options) { return Printer(report, options).print(); }

}  // namespace sandstone::probe
