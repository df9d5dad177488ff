// Embeds Sandstone: runs an untrusted command with limits, reads what it prints, and says how it ended.
//
//   c++ -std=c++20 embed.cc $(…)    or, with CMake:  find_package(sandstone) + target_link_libraries(… sandstone::sandstone)

#include <sandstone/sandbox.h>

#include <chrono>
#include <cstdio>

int main() {
  using namespace std::chrono_literals;
  auto spec = sandstone::RunSpec::command(
                  {"sh", "-c", "echo hello from the sandbox; mount -t tmpfs none /mnt 2>/dev/null; exit 7"})
                  .with_tier(sandstone::Tier::full)
                  .with_pids(64)
                  .with_timeout(10s);

  auto on_event = [](const sandstone::Event& event) {
    if (event.kind == sandstone::Event::Kind::denial)
      std::printf("denied: %s (%s)\n", event.denial.operation.c_str(), event.denial.wall.c_str());
  };
  auto sandbox = sandstone::Sandbox::start(spec, {.stdout_to = sandstone::Stream::pipe}, on_event);
  if (!sandbox) {
    std::fprintf(stderr, "embed: %s\n", sandbox.error().line().c_str());
    return 125;
  }
  const std::string printed = sandbox->read_stdout();
  const sandstone::Outcome outcome = sandbox->wait();
  std::printf("printed: %s", printed.c_str());
  std::printf("ended: %s, status %d, behind %zu walls\n", to_string(outcome.cause), outcome.exit_status,
              outcome.walls.size());
  return outcome.exit_status == 7 ? 0 : 1;
}
