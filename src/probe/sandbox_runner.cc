#include "probe/sandbox_runner.h"

#include <fmt/format.h>
#include <sandstone/sandbox.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <climits>
#include <cstdio>
#include <memory>
#include <sstream>

#include "probe/host_state.h"

namespace sandstone::probe {
namespace {

using Kind = Attempt::Kind;

std::vector<std::string> split(const std::string& line, size_t fields) {
  std::vector<std::string> parts;
  size_t begin = 0;
  while (parts.size() + 1 < fields) {
    const size_t tab = line.find('\t', begin);
    if (tab == std::string::npos) break;
    parts.push_back(line.substr(begin, tab - begin));
    begin = tab + 1;
  }
  parts.push_back(line.substr(begin));
  return parts;
}

std::optional<Kind> kind_of(const std::string& word) {
  static const std::map<std::string, Kind> kKinds = {{"allowed", Kind::allowed},
                                                     {"own", Kind::own},
                                                     {"errno", Kind::refused},
                                                     {"no-effect", Kind::without_effect},
                                                     {"signal", Kind::signaled},
                                                     {"timeout", Kind::timed_out},
                                                     {"not-applicable", Kind::not_applicable}};
  const auto found = kKinds.find(word);
  return found == kKinds.end() ? std::nullopt : std::optional(found->second);
}

bool has(const WallSet& walls, const std::string& wall) {
  return std::find(walls.begin(), walls.end(), wall) != walls.end();
}

}  // namespace

Result<std::map<std::string, Attempt>> read_attempts(const std::string& output,
                                                     const std::set<std::string>& seen, bool own_kernel) {
  std::map<std::string, Attempt> attempts;
  std::istringstream lines(output);
  bool complete = false;
  for (std::string line; std::getline(lines, line);) {
    if (line == "end") {
      complete = true;
      continue;
    }
    const auto fields = split(line, 4);
    if (fields.size() != 4) return Error{"probe program", "a line of its output makes no sense", {}};
    // A claim counts only if the host's side saw the thing happen.
    std::string word = fields[1];
    if (seen.count(fields[0]) != 0 && (word == "claimed" || word == "gained"))
      word = "allowed";
    else if (word == "claimed")
      word = own_kernel ? "own" : "no-effect";
    else if (word == "gained")
      word = own_kernel ? "own" : "allowed";
    const auto kind = kind_of(word);
    if (!kind) return Error{"probe program", "an unknown result in its output", {}};
    attempts[fields[0]] = {*kind, static_cast<int>(std::strtol(fields[2].c_str(), nullptr, 10)), fields[3]};
  }
  if (!complete) return Error{"probe program", "it ended before it had tried everything", {}};
  return attempts;
}

SandboxRunner::SandboxRunner(Canary& canary) : canary_(canary), bequest_(canary.parameters()) {}

std::string SandboxRunner::parameter(const std::string& key) const {
  const auto found = canary_.parameters().find(key);
  return found == canary_.parameters().end() ? std::string() : found->second;
}

std::vector<std::string> SandboxRunner::command() const {
  std::vector<std::string> argv{parameter("program"), "all"};
  for (const auto& parameters : {canary_.parameters(), bequest_.parameters()})
    for (const auto& [key, value] : parameters) argv.push_back(fmt::format("{}={}", key, value));
  return argv;
}

Result<Run> SandboxRunner::run(const Column& column) {
  RunSpec spec = RunSpec::command(command()).with_tier(column.tier);
  spec.syscall_mode = column.mode;
  if (column != Tier::none) {
    spec.with_bind(parameter("shared"), parameter("shared"), Access::read_only);
    spec.user = User{workload_uid(), workload_uid()};
  }
  return run(std::move(spec), column.own_kernel());
}

Result<Run> SandboxRunner::run(const WallSet& walls) {
  RunSpec spec = RunSpec::command(command());
  spec.walls = walls;
  // At the same path inside and outside, so that the program is found whether or not there is a view of its
  // own.
  spec.with_bind(parameter("shared"), parameter("shared"), Access::read_only);
  if (has(walls, "user")) spec.user = User{workload_uid(), workload_uid()};
  return run(std::move(spec));
}

Result<Run> SandboxRunner::run(RunSpec spec, bool own_kernel) {
  spec.with_timeout(std::chrono::seconds(120));
  if (auto ready = canary_.reset(); !ready) return ready.error();
  const HostState before = HostState::look();
  auto sandbox = Sandbox::start(std::move(spec), {Stream::null, Stream::pipe, Stream::null});
  if (!sandbox) return sandbox.error();
  const std::string output = sandbox->read_stdout();
  const Outcome outcome = sandbox->wait();
  auto seen = canary_.inspect();
  if (!seen) return seen.error();
  if (own_kernel) seen->merge(before.differences(HostState::look()));
  if (!outcome.error.what.empty()) return outcome.error;
  if (outcome.cause != Cause::exited)
    return Error{"probe program", fmt::format("it was ended: {}", to_string(outcome.cause)), {}};
  auto attempts = read_attempts(output, *seen, own_kernel);
  if (!attempts) return attempts.error();
  return Run{outcome.walls, std::move(*attempts)};
}

Result<std::vector<Operation>> list_operations(const std::string& program) {
  auto pipe = make_pipe();
  if (!pipe) return pipe.error();
  const pid_t child = ::fork();
  if (child < 0) return system_error("probe", "cannot start a process", errno);
  if (child == 0) {
    ::dup2(pipe->write.get(), 1);
    ::execl(program.c_str(), program.c_str(), "list", nullptr);
    ::_exit(127);
  }
  pipe->write.reset();
  std::string output;
  std::array<char, 4096> block{};
  for (ssize_t got = 0; (got = ::read(pipe->read.get(), block.data(), block.size())) > 0;)
    output.append(block.data(), static_cast<size_t>(got));
  ::waitpid(child, nullptr, 0);
  std::vector<Operation> operations;
  std::istringstream lines(output);
  for (std::string line; std::getline(lines, line);)
    if (auto fields = split(line, 3); fields.size() == 3)
      operations.push_back({fields[0], fields[1], fields[2]});
  if (operations.empty()) return Error{program, "cannot be run", "install sandstone-probe beside sandstone"};
  return operations;
}

Result<std::string> find_program() {
  std::array<char, PATH_MAX> self{};
  const ssize_t size = ::readlink("/proc/self/exe", self.data(), self.size() - 1);
  const std::string path(self.data(), size > 0 ? static_cast<size_t>(size) : 0);
  const std::string folder = path.substr(0, path.rfind('/'));
  for (const std::string& candidate :
       {folder + "/sandstone-probe", folder + "/../libexec/sandstone/sandstone-probe"})
    if (::access(candidate.c_str(), X_OK) == 0) return candidate;
  return Error{"probe", "the program sandstone-probe is missing",
               fmt::format("install it at {}/../libexec/sandstone/", folder)};
}

}  // namespace sandstone::probe
