// The blocker's truth table. The hosts here are invented: for each operation, the sets of walls that stop it.
#include "probe/ablation.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "probe/blocker.h"

namespace sandstone::probe {
namespace {

using Kind = Blocker::Kind;

struct Host {
  std::map<Tier, WallSet> tiers = {
      {Tier::none, {}},
      {Tier::ns, {"mount", "user", "net", "pid", "ipc", "uts", "root"}},
      {Tier::full, {"mount", "user", "net", "pid", "ipc", "uts", "root", "landlock", "seccomp"}}};
  std::map<std::string, WallSet> needs = {{"root", {"mount"}}};
  std::map<std::string, std::vector<WallSet>> stopped_by;  // each set is enough
  std::map<std::string, WallSet> only_with;                // not to be had without these: a capability, say
  std::set<std::string> lacking;                           // ENOSYS everywhere
};

class InventedHost final : public Runner {
 public:
  explicit InventedHost(Host host) : host_(std::move(host)) {}

  Result<Run> run(const Column& column) override {
    if (host_.tiers.count(column.tier) == 0) return Error{"tier", "is not to be had", {}};
    return run(host_.tiers.at(column.tier));
  }

  Result<Run> run(const WallSet& walls) override {
    ++runs;
    const auto stands = [&](const WallSet& set) {
      return std::all_of(set.begin(), set.end(), [&](const std::string& w) {
        return std::find(walls.begin(), walls.end(), w) != walls.end();
      });
    };
    for (const auto& [wall, needed] : host_.needs)
      if (stands({wall}) && !stands(needed)) return Error{"wall " + wall, "needs another", {}};
    Run run;
    run.walls = walls;
    for (const auto& [operation, sets] : host_.stopped_by) {
      Attempt& attempt = run.attempts[operation];
      const bool stopped = std::any_of(sets.begin(), sets.end(), stands);
      const auto only = host_.only_with.find(operation);
      const bool able = only == host_.only_with.end() || stands(only->second);
      attempt.kind = stopped || !able ? Attempt::Kind::refused : Attempt::Kind::allowed;
      if (!attempt.allowed()) attempt.number = EPERM;
      if (host_.lacking.count(operation) != 0) attempt = {Attempt::Kind::refused, ENOSYS, "the call"};
    }
    return run;
  }

  int runs = 0;

 private:
  Host host_;
};

struct Found {
  std::vector<Experiment> experiments;
  Blocker at(const std::string& operation, Tier tier = Tier::full) const {
    return find_blocker(operation, tier, experiments);
  }
};

Found probe(Host host, bool ordinary_caller = false) {
  InventedHost runner(std::move(host));
  AblationPlan plan;
  plan.tiers = {Tier::none, Tier::ns, Tier::full};
  plan.ordinary_caller = ordinary_caller;
  auto experiments = ablate(runner, plan);
  EXPECT_TRUE(experiments.ok());
  EXPECT_LT(runner.runs, 120);
  return {std::move(*experiments)};
}

Host for_ordinary_caller() {
  Host host;
  for (const char* wall : {"mount", "net", "pid", "ipc", "uts", "root", "landlock", "seccomp"})
    host.needs[wall].push_back("user");
  return host;
}

TEST(Ablation, TakesNoWallAwayBehindAKernelOfOnesOwn) {
  Host host;
  host.stopped_by["bpf"] = {{"seccomp"}};
  host.tiers[Tier::kernel] = host.tiers[Tier::full];
  InventedHost runner(host);
  AblationPlan plan;
  plan.tiers = {Tier::none, Tier::kernel};
  auto experiments = ablate(runner, plan);
  ASSERT_TRUE(experiments.ok());
  EXPECT_EQ(runner.runs, 2);
}

TEST(Ablation, GoesOnWithoutAKernelThatIsNotThere) {
  Host host;
  host.stopped_by["bpf"] = {{"seccomp"}};
  InventedHost runner(host);
  AblationPlan plan;
  plan.tiers = {Tier::none, Tier::full, Tier::kernel};
  auto experiments = ablate(runner, plan);
  ASSERT_TRUE(experiments.ok());
  const Experiment& kernel = (*experiments)[2];
  EXPECT_FALSE(kernel.run);
  EXPECT_NE(kernel.why_not, "");
  EXPECT_EQ(find_blocker("bpf", Tier::full, *experiments).text(), "seccomp");
  plan.tiers = {Tier::kernel};
  EXPECT_FALSE(ablate(runner, plan).ok()) << "asked for, it must be there";
}

TEST(Blocker, IsTheWallWhoseRemovalLetsItThrough) {
  Host host;
  host.stopped_by["bpf"] = {{"seccomp"}};
  const Found found = probe(host);
  EXPECT_EQ(found.at("bpf").kind, Kind::decisive);
  EXPECT_EQ(found.at("bpf").text(), "seccomp");
  EXPECT_EQ(found.at("bpf", Tier::ns).kind, Kind::none) << "ns has no wall against it";
}

TEST(Blocker, NamesAllWhenOnlyTogetherTheyStopIt) {
  Host host;
  host.stopped_by["proc-list"] = {{"pid", "root"}};
  EXPECT_EQ(probe(host).at("proc-list").kind, Kind::joint);
  EXPECT_EQ(probe(host).at("proc-list").text(), "pid & root");
}

TEST(Blocker, NamesEachThatStopsItAloneWhenNoRemovalChangesAnything) {
  Host host;
  host.stopped_by["kill"] = {{"pid"}, {"landlock"}, {"seccomp"}};
  const Found found = probe(host);
  EXPECT_EQ(found.at("kill").kind, Kind::redundant);
  EXPECT_EQ(found.at("kill").walls, (WallSet{"pid", "landlock", "seccomp"}));
  EXPECT_EQ(found.at("kill", Tier::ns).kind, Kind::decisive) << "below landlock there is one wall only";
}

TEST(Blocker, FindsWhatElseStopsItTogether) {
  Host host;
  host.stopped_by["proc-mem"] = {{"user"}, {"pid", "root"}};
  const Blocker blocker = probe(host).at("proc-mem", Tier::ns);
  EXPECT_EQ(blocker.kind, Kind::combined);
  EXPECT_EQ(blocker.walls, WallSet{"user"});
  EXPECT_EQ(blocker.together, (WallSet{"pid", "root"})) << "mount stands only because root needs it";
  EXPECT_EQ(blocker.text(), "user + pid & root");
}

TEST(Blocker, FindsTwoPairsWithoutAnySingleWall) {
  Host host;
  host.stopped_by["twice"] = {{"user", "pid"}, {"landlock", "seccomp"}};
  const Blocker blocker = probe(host).at("twice");
  EXPECT_EQ(blocker.kind, Kind::combined);
  EXPECT_TRUE(blocker.walls.empty());
  EXPECT_EQ(blocker.together.size(), 2U);
}

TEST(Blocker, SharedMemberOfTwoSetsIsDecisive) {
  Host host;
  host.stopped_by["shared"] = {{"user", "pid"}, {"user", "landlock"}};
  EXPECT_EQ(probe(host).at("shared").text(), "user");
}

TEST(Blocker, SaysWhenTheWallCannotBeTakenAway) {
  Host host = for_ordinary_caller();
  host.stopped_by["ptrace"] = {{"user"}};
  const Blocker blocker = probe(host, true).at("ptrace");
  EXPECT_EQ(blocker.kind, Kind::not_separable);
  EXPECT_EQ(blocker.text(), "user*");
}

TEST(Blocker, ComparesOnTopOfTheUserNamespaceForAnOrdinaryCaller) {
  Host host = for_ordinary_caller();
  host.stopped_by["kill"] = {{"pid"}, {"landlock"}};
  EXPECT_EQ(probe(host, true).at("kill").text(), "pid + landlock");
}

TEST(Blocker, TakesAWallThatCarriesAnotherForNotSeparable) {
  Host host;
  host.stopped_by["odd"] = {{"mount"}};
  const Blocker blocker = probe(host).at("odd");
  EXPECT_EQ(blocker.kind, Kind::not_separable);
  EXPECT_EQ(blocker.text(), "mount*");
}

TEST(Blocker, IsNotGuessedWhereTheOperationNeverSucceeds) {
  Host host;
  host.stopped_by["kexec"] = {{"seccomp"}};
  host.lacking = {"kexec"};
  const Found found = probe(host);
  EXPECT_EQ(found.at("kexec").kind, Kind::no_control);
  const Control control = find_control("kexec", found.experiments);
  EXPECT_FALSE(control.found) << "ENOSYS is not success";
  EXPECT_EQ(control.reason, "ENOSYS: the call");
}

TEST(Blocker, IsUnknownWithoutAnAblation) {
  Host host;
  host.stopped_by["bpf"] = {{"seccomp"}};
  InventedHost runner(host);
  AblationPlan plan;
  plan.tiers = {Tier::full};
  plan.find_blockers = false;
  auto experiments = ablate(runner, plan);
  ASSERT_TRUE(experiments.ok());
  EXPECT_EQ(runner.runs, 2) << "the control and the tier";
  EXPECT_EQ(find_blocker("bpf", Tier::full, *experiments).kind, Kind::none);
}

TEST(Blocker, FindsAWallThatStandsOnTheBareHostToo) {
  Host host;
  for (auto& [tier, walls] : host.tiers) walls.emplace_back("rlimits");
  host.stopped_by["core-dump"] = {{"rlimits"}};
  const Found found = probe(host);
  EXPECT_EQ(found.at("core-dump", Tier::none).text(), "rlimits");
  EXPECT_EQ(found.at("core-dump").text(), "rlimits");
  EXPECT_EQ(find_control("core-dump", found.experiments).where, "no wall at all");
}

TEST(Control, IsTheBareHostIfItCanBe) {
  Host host;
  host.stopped_by["bpf"] = {{"seccomp"}};
  EXPECT_EQ(find_control("bpf", probe(host).experiments).where, "none");
}

TEST(Control, MayBeARunWithAWallThatMakesTheAttemptPossible) {
  Host host = for_ordinary_caller();
  host.stopped_by["mount"] = {{"landlock"}, {"seccomp"}};
  host.only_with["mount"] = {"user"};
  const Found found = probe(host, true);
  EXPECT_EQ(find_control("mount", found.experiments).where, "only user");
  EXPECT_EQ(found.at("mount").text(), "landlock + seccomp");
}

TEST(Control, MayNeedMoreNamespacesThanOne) {
  Host host = for_ordinary_caller();
  host.stopped_by["packet-socket"] = {{"landlock"}, {"seccomp"}};
  host.only_with["packet-socket"] = {"user", "net"};
  EXPECT_EQ(probe(host, true).at("packet-socket").text(), "landlock + seccomp");
}

TEST(Ablation, FailsIfATierCannotBeRun) {
  Host host;
  host.needs["pid"] = {"nothing that there is"};
  InventedHost runner(host);
  AblationPlan plan;
  plan.tiers = {Tier::full};
  const auto experiments = ablate(runner, plan);
  ASSERT_FALSE(experiments.ok());
  EXPECT_EQ(experiments.error().where, "wall pid");
}

TEST(Ablation, RunsTheSameWallsOnlyOnce) {
  Host host;
  host.tiers[Tier::full] = host.tiers[Tier::ns];  // every run of `full` would repeat one of `ns`
  host.stopped_by["kill"] = {{"pid"}};
  InventedHost twice(host);
  AblationPlan plan;
  plan.tiers = {Tier::ns, Tier::full};
  ASSERT_TRUE(ablate(twice, plan).ok());
  InventedHost once(host);
  plan.tiers = {Tier::ns};
  ASSERT_TRUE(ablate(once, plan).ok());
  EXPECT_EQ(twice.runs, once.runs + 1) << "the tier itself is all there is to run again";
}

TEST(Ablation, UsesTheWallsGivenInsteadOfTheTiersOwn) {
  Host host;
  host.stopped_by["bpf"] = {{"seccomp"}};
  InventedHost runner(host);
  AblationPlan plan;
  plan.tiers = {Tier::full};
  plan.walls = WallSet{"user", "pid"};
  auto experiments = ablate(runner, plan);
  ASSERT_TRUE(experiments.ok());
  EXPECT_TRUE((*experiments)[1].run->attempts.at("bpf").allowed());
}

TEST(Judge, MakesARowOfEachOperation) {
  Host host;
  host.stopped_by["bpf-map"] = {{"seccomp"}};
  host.stopped_by["dumpable"] = {};
  const Found found = probe(host);
  const auto rows = judge(
      {{"bpf-map", "kernel", "makes a map"}, {"dumpable", "self", "may be dumped"}, {"unknown", "", ""}},
      found.experiments, {Tier::ns, Tier::full});
  ASSERT_EQ(rows.size(), 3U);
  EXPECT_EQ(rows[0].cells.at(Tier::full).attempt.word(), "EPERM");
  EXPECT_EQ(rows[0].cells.at(Tier::full).blocker.text(), "seccomp");
  EXPECT_FALSE(rows[0].promise_broken(Tier::full));
  EXPECT_FALSE(rows[0].promise_broken(Tier::ns)) << "allowed there, and promised from full only";
  EXPECT_EQ(rows[0].trials.size(), found.experiments.size());
  EXPECT_TRUE(rows[1].cells.at(Tier::full).attempt.allowed());
  EXPECT_FALSE(rows[1].promise_broken(Tier::full)) << "not promised";
  EXPECT_TRUE(rows[2].cells.empty());
  EXPECT_FALSE(rows[2].control.found);
}

}  // namespace
}  // namespace sandstone::probe
