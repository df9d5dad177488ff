// breakdown ROUNDS PROGRAM: where the time of one start goes inside Sandstone, and what each wall adds to it.
// PROGRAM is a static program that ends at once. Prints lines of name, median and p99 in nanoseconds: first
// the stages of a start of `full`, then, for each tier's wall in order, the launch with the walls up to it
// less the launch with those before.

#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include "engine/streams.h"
#include "init/protocol.h"
#include "jail/init_image.h"
#include "jail/launch.h"
#include "jail/prepare.h"
#include "walls/wall.h"

namespace sandstone {
namespace {

using Clock = std::chrono::steady_clock;
using Samples = std::vector<long>;

long since(Clock::time_point begin) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - begin).count();
}

[[noreturn]] void die(const Error& error) {
  std::fprintf(stderr, "breakdown: %s\n", error.line().c_str());
  std::exit(1);
}

// A stage that ends now and began when the one before ended.
class Stages {
 public:
  explicit Stages(std::map<std::string, Samples>& into) : into_(into) {}
  void end(const char* name) {
    into_[name].push_back(since(begin_));
    begin_ = Clock::now();
  }

 private:
  std::map<std::string, Samples>& into_;
  Clock::time_point begin_ = Clock::now();
};

init::Kind next_message(const Fd& control) {
  init::Message message{};
  if (::recv(control.get(), &message, sizeof message, 0) != sizeof message)
    die({"process 1", "says nothing", {}});
  return message.kind;
}

RunSpec spec_of(const std::string& program) {
  return RunSpec::command({program}).with_bind(program, program, Access::read_only);
}

constexpr std::array kStages = {"streams",
                                "prepare: walls and view planned",
                                "process 1 in a sealed memfd (a part of the launch)",
                                "launch: clone, maps, all walls",
                                "process 1 and the workload start",
                                "workload runs and ends",
                                "process 1 ends, and the namespaces with it",
                                "reap"};

void run_once(const std::string& program, std::map<std::string, Samples>& samples) {
  Stages stages(samples);
  auto streams = engine::connect_streams({Stream::null, Stream::inherit, Stream::inherit}, false);
  if (!streams) die(streams.error());
  stages.end(kStages[0]);
  auto prepared = jail::prepare(spec_of(program));
  if (!prepared) die(prepared.error());
  stages.end(kStages[1]);
  {
    auto image = jail::sealed_init();
    if (!image) die(image.error());
    stages.end(kStages[2]);
  }
  auto launched =
      jail::launch((*prepared)->setup, (*prepared)->walls, std::move(streams->ports), -1, nullptr);
  if (!launched) die(launched.error());
  stages.end(kStages[3]);
  jail::tell(launched->control, static_cast<uint32_t>(init::Kind::go), 0);
  while (next_message(launched->control) != init::Kind::started) {
  }
  stages.end(kStages[4]);
  while (next_message(launched->control) != init::Kind::exited) {
  }
  stages.end(kStages[5]);
  pollfd gone{launched->pidfd.get(), POLLIN, 0};
  ::poll(&gone, 1, -1);
  stages.end(kStages[6]);
  ::waitpid(launched->pid, nullptr, __WALL);
  stages.end(kStages[7]);
}

// The launch with these walls alone, or -1 if they cannot be without another.
long launch_with(const std::string& program, const std::vector<std::string>& walls) {
  RunSpec spec = spec_of(program);
  spec.walls = walls;
  auto streams = engine::connect_streams({Stream::null, Stream::inherit, Stream::inherit}, false);
  if (!streams) die(streams.error());
  auto prepared = jail::prepare(spec);
  if (!prepared) return -1;
  const auto begin = Clock::now();
  auto launched =
      jail::launch((*prepared)->setup, (*prepared)->walls, std::move(streams->ports), -1, nullptr);
  if (!launched) return -1;
  const long took = since(begin);
  launched->control.reset();  // process 1 ends
  ::waitpid(launched->pid, nullptr, __WALL);
  return took;
}

long at(Samples& samples, size_t percent) {
  std::sort(samples.begin(), samples.end());
  return samples[std::min(samples.size() - 1, samples.size() * percent / 100)];
}

void print(const std::string& name, Samples samples) {
  if (!samples.empty()) std::printf("%s\t%ld\t%ld\n", name.c_str(), at(samples, 50), at(samples, 99));
}

int run(int rounds, const std::string& program) {
  std::map<std::string, Samples> stages;
  std::map<std::string, Samples> launches;
  const std::vector<std::string> walls = walls::walls_of(Tier::full);
  for (int round = 0; round < rounds; ++round) {
    run_once(program, stages);
    for (size_t count = 0; count <= walls.size(); ++count) {
      const std::vector<std::string> some(walls.begin(), walls.begin() + static_cast<long>(count));
      ::usleep(500);  // for what the one before left to the background
      const long took = launch_with(program, some);
      if (took >= 0) launches[count == 0 ? "" : walls[count - 1]].push_back(took);
    }
  }
  for (const char* stage : kStages) print(std::string("stage\t") + stage, stages[stage]);
  print("wall\tnone", launches[""]);
  for (const std::string& wall : walls) print("wall\t" + wall, launches[wall]);
  return 0;
}

}  // namespace
}  // namespace sandstone

int main(int argc, char** argv) {
  if (argc != 3) return std::fprintf(stderr, "usage: breakdown ROUNDS PROGRAM\n"), 2;
  const long rounds = std::strtol(argv[1], nullptr, 10);
  return sandstone::run(static_cast<int>(std::clamp(rounds, 1L, 1'000'000L)), argv[2]);
}
