#include "probe/report.h"

#include <gtest/gtest.h>

#include <csignal>

#include "probe/promises.h"
#include "probe/render.h"
#include "probe/sandbox_runner.h"

namespace sandstone::probe {
namespace {

Report sample() {
  Report report;
  report.version = "0.1.0";
  report.kernel = "Linux 6.1.0";
  report.machine = "x86_64";
  report.caller_uid = 1000;
  report.started = "2025-01-01T00:00:00Z";
  report.tiers = {Tier::none, Tier::full};

  Experiment none;
  none.run = Run{{}, {}};
  Experiment full;
  full.tier = Tier::full;
  full.run = Run{{"root", "seccomp"}, {}};
  Experiment without;
  without.kind = Experiment::Kind::without;
  without.tier = Tier::full;
  without.wall = "root";
  without.why_not = "wall root: cannot";
  report.experiments = {none, full, without};

  Row kept;
  kept.operation = {"bpf-map", "kernel surface", "makes a BPF map"};
  kept.promised = Tier::full;
  kept.control = {true, "none", {}};
  kept.cells[Tier::none] = {{Attempt::Kind::allowed, 0, "has it"}, {}};
  kept.cells[Tier::full] = {{Attempt::Kind::refused, EPERM, "bpf"},
                            {Blocker::Kind::combined, {"user"}, {"pid", "root"}}};
  kept.trials = {"allowed", "EPERM", ""};
  Row broken = kept;
  broken.operation.name = "int80";
  broken.cells[Tier::full] = {{Attempt::Kind::allowed, 0, {}}, {}};
  Row untried = kept;
  untried.operation.name = "kexec-load";
  untried.control = {false, {}, "ENOSYS"};
  untried.cells[Tier::none] = {{Attempt::Kind::refused, ENOSYS, {}}, {}};
  untried.cells[Tier::full] = {{Attempt::Kind::signaled, SIGSYS, {}}, {Blocker::Kind::no_control, {}, {}}};
  report.rows = {kept, broken, untried};
  return report;
}

TEST(Attempt, HasAWordForEachResult) {
  EXPECT_EQ((Attempt{Attempt::Kind::allowed, 0, {}}.word()), "allowed");
  EXPECT_EQ((Attempt{Attempt::Kind::refused, ENOSYS, {}}.word()), "ENOSYS");
  EXPECT_EQ((Attempt{Attempt::Kind::refused, 9999, {}}.word()), "errno 9999");
  EXPECT_EQ((Attempt{Attempt::Kind::signaled, SIGSYS, {}}.word()), "SIGSYS");
  EXPECT_EQ((Attempt{Attempt::Kind::without_effect, 0, {}}.word()), "no effect");
  EXPECT_EQ((Attempt{Attempt::Kind::timed_out, 0, {}}.word()), "timeout");
}

TEST(Attempt, ThatCouldNotBeMadeIsNeitherAllowedNorStopped) {
  const Attempt attempt{Attempt::Kind::not_applicable, 0, "no such device"};
  EXPECT_FALSE(attempt.allowed());
  EXPECT_FALSE(attempt.stopped());
}

TEST(Summary, CountsOnlyWhatHasAControlAsStopped) {
  const Summary summary = summarise(sample(), Tier::full);
  EXPECT_EQ(summary.operations, 3U);
  EXPECT_EQ(summary.allowed, 1U);
  EXPECT_EQ(summary.stopped, 1U) << "a failure of what never succeeds is not to a wall's credit";
  EXPECT_EQ(summary.no_control, 1U);
  EXPECT_EQ(summary.promised, 3U);
  EXPECT_EQ(summary.kept, 1U);
  EXPECT_EQ(summary.broken, 1U);
  EXPECT_EQ(summary.untried, 1U);
  EXPECT_EQ(sample().broken_promises(), 1U);
}

TEST(ReportJson, ComesBackAsItWas) {
  const std::string text = to_json(sample());
  auto again = from_json(text);
  ASSERT_TRUE(again.ok()) << again.error().line();
  EXPECT_EQ(to_json(*again), text);
  EXPECT_EQ(again->rows[0].cells.at(Tier::full).blocker.text(), "user + pid & root");
  EXPECT_EQ(again->experiments[2].why_not, "wall root: cannot");
  EXPECT_EQ(again->broken_promises(), 1U);
}

TEST(ReportJson, RefusesWhatIsNoReport) {
  for (const char* text : {"", "[]", "{}", "{\"sandstone\": 1}", "not json"})
    EXPECT_FALSE(from_json(text).ok()) << text;
  std::string text = to_json(sample());
  text.replace(text.find("\"combined\""), 10, "\"magic\"");
  EXPECT_FALSE(from_json(text).ok());
}

TEST(RenderText, KeepsTo120ColumnsAndNamesTheBlocker) {
  const std::string text = render_text(sample(), {});
  EXPECT_NE(text.find("bpf-map"), std::string::npos);
  EXPECT_NE(text.find("user + pid & root"), std::string::npos);
  EXPECT_NE(text.find("ALLOWED !"), std::string::npos) << "a broken promise";
  EXPECT_EQ(text.find('\x1b'), std::string::npos) << "colour was not asked for";
  for (size_t begin = 0, end = 0; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1)
    EXPECT_LE(end - begin, 120U);
}

TEST(RenderText, EscapesWhatADescriptionCouldHide) {
  Report report = sample();
  report.rows[0].operation.name = "\x1b[2J";
  EXPECT_EQ(render_text(report, {}).find('\x1b'), std::string::npos);
}

TEST(ReadAttempts, BelievesAClaimOnlyIfTheCanarySawIt) {
  const std::string output =
      "kill\tclaimed\t0\tsent\nkill-all\tclaimed\t0\tsent\nbpf\terrno\t1\tbpf(x)\nint80\tsignal\t31\t\nend\n";
  auto attempts = read_attempts(output, {"kill"});
  ASSERT_TRUE(attempts.ok());
  EXPECT_EQ(attempts->at("kill").word(), "allowed");
  EXPECT_EQ(attempts->at("kill-all").word(), "no effect");
  EXPECT_EQ(attempts->at("bpf").word(), "EPERM");
  EXPECT_EQ(attempts->at("bpf").detail, "bpf(x)");
  EXPECT_EQ(attempts->at("int80").word(), "SIGSYS");
}

TEST(ReadAttempts, KnowsWhoseKernelGaveWay) {
  const std::string output =
      "mount-tmpfs\tgained\t0\tmounted\nkill\tclaimed\t0\tsent\nread-home-secret\tallowed\t0\t\nend\n";
  auto shared = read_attempts(output, {});
  ASSERT_TRUE(shared.ok());
  EXPECT_EQ(shared->at("mount-tmpfs").word(), "allowed") << "there is the host's alone";
  EXPECT_EQ(shared->at("kill").word(), "no effect");
  auto own = read_attempts(output, {}, true);
  ASSERT_TRUE(own.ok());
  EXPECT_EQ(own->at("mount-tmpfs").word(), "own");
  EXPECT_EQ(own->at("kill").word(), "own");
  EXPECT_EQ(own->at("read-home-secret").word(), "allowed")
      << "a secret of the host's is one wherever it is read";
  auto seen = read_attempts(output, {"mount-tmpfs", "kill"}, true);
  ASSERT_TRUE(seen.ok());
  EXPECT_EQ(seen->at("mount-tmpfs").word(), "allowed") << "the host's side saw it";
  EXPECT_EQ(seen->at("kill").word(), "allowed");
  EXPECT_TRUE(own->at("kill").stopped());
}

TEST(Columns, HaveNamesThatAreRead) {
  for (const Column& column : columns())
    EXPECT_EQ(parse_column(to_string(column)), column) << to_string(column);
  const auto other = parse_column("kernel/unotify");
  ASSERT_TRUE(other);
  EXPECT_TRUE(other->own_kernel());
  EXPECT_EQ(to_string(*other), "kernel/unotify");
  EXPECT_EQ(to_string(*parse_column("kernel/auto")), "kernel");
  for (const char* text : {"", "kernels", "full/trap", "kernel/", "kernel/magic", "/unotify"})
    EXPECT_FALSE(parse_column(text)) << text;
}

TEST(RenderText, GivesAKernelOfOnesOwnANarrowColumn) {
  Report report = sample();
  const Column kernel(Tier::kernel, SyscallMode::rewrite);
  report.tiers.push_back(kernel);
  report.rows[0].cells[kernel] = {{Attempt::Kind::own, 0, {}}, {}};
  report.rows[1].cells[kernel] = {{Attempt::Kind::allowed, 0, {}}, {}};
  EXPECT_EQ(summarise(report, kernel).own, 1U);
  EXPECT_EQ(summarise(report, kernel).kept, 1U);
  EXPECT_EQ(report.broken_promises(), 2U) << "what full promises, kernel does";
  const std::string text = render_text(report, {});
  EXPECT_NE(text.find(" own\n"), std::string::npos);
  for (size_t begin = 0, end = 0; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1)
    EXPECT_LE(end - begin, 120U);
  auto again = from_json(to_json(report));
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->rows[0].cells.at(kernel).attempt.word(), "own");
}

TEST(ReadAttempts, RefusesOutputThatIsCutShortOrForged) {
  EXPECT_FALSE(read_attempts("kill\tallowed\t0\t\n", {}).ok()) << "no end";
  EXPECT_FALSE(read_attempts("", {}).ok());
  EXPECT_FALSE(read_attempts("kill\n end\n", {}).ok());
  EXPECT_FALSE(read_attempts("kill\tsplendid\t0\t\nend\n", {}).ok());
}

TEST(Promises, AreAtLeastSixtyForTheTierFullAndEachIsMadeOnce) {
  std::set<std::string> names;
  for (const Promise& promise : promises())
    EXPECT_TRUE(names.insert(promise.operation).second) << promise.operation;
  EXPECT_GE(names.size(), 60U);
  EXPECT_EQ(promise_for("read-home-secret"), Tier::ns);
  EXPECT_EQ(promise_for("mount-tmpfs"), Tier::landlock);
  EXPECT_EQ(promise_for("io-uring"), Tier::full);
  EXPECT_FALSE(promise_for("dumpable"));
}

}  // namespace
}  // namespace sandstone::probe
