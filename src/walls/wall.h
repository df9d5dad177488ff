// Wall: one kernel primitive that stands between the workload and something.
//
// A wall says whether this host has it (support), is built from the spec before the clone (build), where it may
// allocate and fail with an Error, and is raised by one call in the child (raise), where only async-signal-safe
// code is allowed. A tier is a list of walls (ladder.cc); adding one means a file, a line there and its probes.
#pragma once

#include <sandstone/result.h>
#include <sandstone/run_spec.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace sandstone::walls {

// What this host offers of a wall.
struct Support {
  bool available = true;
  std::string extent;  // how much of it: "ABI 7 of 7"; empty when there are no degrees
  std::string reason;  // why not, or what is missing
  std::string remedy;
};

struct Setup;  // what all walls of one run share: setup.h
struct Child;  // the child's side of it

class Wall {
 public:
  Wall() = default;
  Wall(const Wall&) = delete;
  Wall& operator=(const Wall&) = delete;
  virtual ~Wall() = default;

  [[nodiscard]] virtual const char* name() const = 0;
  [[nodiscard]] virtual Support support() const = 0;
  // The same for what this spec asks of it, which may be less than all.
  [[nodiscard]] virtual Support support_for(const RunSpec& spec) const;
  // False: the spec asks for nothing that this wall would do, and it is left out.
  [[nodiscard]] virtual bool needed(const RunSpec& spec) const;
  // True: a host without it fails the clone, so that support() has to be asked only then, for the reason.
  [[nodiscard]] virtual bool fails_the_clone() const { return false; }
  // True: raising it takes from the child what walls before it may still need.
  [[nodiscard]] virtual bool restricts_child() const { return false; }
  [[nodiscard]] virtual uint64_t clone_flags() const { return 0; }

  // Before the clone, in the order of the list. Whatever raise() needs is prepared here.
  virtual Result<void> build(Setup& setup);

  // In the child, in the order of the list. False: child.failure says what went wrong.
  [[nodiscard]] virtual bool raise(Child& child) noexcept;
};

// What to tell a caller who asked for a wall that this host lacks.
[[nodiscard]] Error unavailable(const Wall& wall, const Support& support);

// The names of a tier's walls, in the order in which they are raised.
[[nodiscard]] std::vector<std::string> walls_of(Tier tier);

// Every wall there is, in order.
[[nodiscard]] std::vector<std::string> all_walls();

// Refuses a name that is no wall. The result keeps the order of all_walls(), whatever the order of `names`.
[[nodiscard]] Result<std::vector<std::unique_ptr<Wall>>> make_walls(const std::vector<std::string>& names);

}  // namespace sandstone::walls
