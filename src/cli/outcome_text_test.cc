#include "cli/outcome_text.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace sandstone::cli {
namespace {

using nlohmann::json;

Outcome ended(Cause cause) {
  Outcome outcome;
  outcome.cause = cause;
  return outcome;
}

}  // namespace

TEST(OutcomeLine, SaysNothingWhenTheCommandEndsByItself) {
  EXPECT_FALSE(outcome_line({}, ended(Cause::exited)));
  EXPECT_FALSE(outcome_line({}, ended(Cause::signaled)));
}

TEST(OutcomeLine, NamesTheLimit) {
  RunSpec spec;
  spec.limits.timeout = std::chrono::milliseconds(1500);
  spec.limits.memory_bytes = 64U << 20;
  spec.limits.pids = 50;
  spec.limits.output_bytes = 1024;
  EXPECT_EQ(outcome_line(spec, ended(Cause::timeout)), "timeout: ended after 1.5 s");
  EXPECT_EQ(outcome_line(spec, ended(Cause::memory)),
            "out of memory: ended at the limit of 64 MiB (-m sets the limit)");
  EXPECT_EQ(outcome_line(spec, ended(Cause::pids)),
            "too many processes: ended at the limit of 50 (--pids-limit sets the limit)");
  EXPECT_EQ(outcome_line(spec, ended(Cause::output)),
            "too much output: ended at the limit of 1 KiB (--output-limit sets the limit)");
  EXPECT_EQ(outcome_line(spec, ended(Cause::killed)), "killed");
}

TEST(OutcomeLine, EscapesWhatTheWorkloadChose) {
  Outcome outcome = ended(Cause::not_found);
  outcome.error = {"\x1b]0;owned\x07\n", "command not found", {}};
  EXPECT_EQ(outcome_line({}, outcome), "\\x1b]0;owned\\x07\\x0a: command not found");
}

TEST(OutcomeJson, HasEveryField) {
  Outcome outcome = ended(Cause::signaled);
  outcome.exit_status = 137;
  outcome.signal = 9;
  outcome.walls = {"user", "seccomp"};
  outcome.missing = {{"control-group", "no cgroup v2", "mount it"}};
  outcome.limits_hit = {"disk"};
  outcome.usage.wall = std::chrono::milliseconds(1500);
  outcome.usage.peak_memory_bytes = 4096;
  outcome.denials = {{std::chrono::milliseconds(250), 42, "seccomp", "mount", "x", 3}};
  outcome.denials_dropped = 7;
  RunSpec spec;
  spec.name = "job";
  const json out = json::parse(outcome_json(spec, outcome));
  EXPECT_EQ(out["name"], "job");
  EXPECT_EQ(out["cause"], "signaled");
  EXPECT_EQ(out["exit_status"], 137);
  EXPECT_EQ(out["signal"], 9);
  EXPECT_EQ(out["tier"], "full");
  EXPECT_EQ(out["walls"], json::parse(R"(["user", "seccomp"])"));
  EXPECT_EQ(out["missing"],
            json::parse(R"([{"wall": "control-group", "reason": "no cgroup v2", "remedy": "mount it"}])"));
  EXPECT_EQ(out["limits_hit"], json::parse(R"(["disk"])"));
  EXPECT_EQ(out["usage"]["wall_seconds"], 1.5);
  EXPECT_EQ(out["usage"]["peak_memory_bytes"], 4096);
  EXPECT_EQ(
      out["denials"],
      json::parse(
          R"([{"time": 0.25, "pid": 42, "wall": "seccomp", "operation": "mount", "subject": "x", "count": 3}])"));
  EXPECT_EQ(out["denials_dropped"], 7);
  EXPECT_TRUE(out["error"].is_null());
}

TEST(OutcomeJson, SurvivesNamesThatAreNotUtf8) {
  Outcome outcome = ended(Cause::failed);
  outcome.error = {"\xff", "what", ""};
  outcome.denials = {{{}, 1, "landlock", "open", "/tmp/\xfe\xc3", 1}};
  const json out = json::parse(outcome_json({}, outcome));
  EXPECT_EQ(out["denials"][0]["subject"], "/tmp/\ufffd\ufffd");
  EXPECT_EQ(out["error"]["where"], "\ufffd");
}

TEST(EventJson, IsOneLineWhateverTheSubjectHolds) {
  Event event;
  event.kind = Event::Kind::denial;
  event.denial = {{}, 1, "network", "connect", "a\nb\xff", 1};
  const std::string line = event_json(event);
  EXPECT_EQ(line.find('\n'), line.size() - 1);
  EXPECT_EQ(json::parse(line)["subject"], "a\nb\ufffd");
  EXPECT_EQ(json::parse(line)["kind"], "denial");
}

}  // namespace sandstone::cli
