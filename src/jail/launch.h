// Launch: from a Setup and a list of walls to a child behind them, waiting to be told to run the workload.
#pragma once

#include <sandstone/outcome.h>
#include <sandstone/result.h>
#include <sys/types.h>

#include <memory>
#include <vector>

#include "base/fd.h"
#include "engine/engine.h"
#include "jail/program.h"
#include "walls/control_group.h"
#include "walls/setup.h"
#include "walls/wall.h"

namespace sandstone::jail {

using WallList = std::vector<std::unique_ptr<walls::Wall>>;

struct ChildPlan;

// A child behind its walls. Whoever holds it must reap it.
struct Launched {
  pid_t pid = -1;
  Fd pidfd;
  Fd control;                       // init/protocol.h
  Fd listener;                      // seccomp notifications; may be invalid
  Fd frames;                        // the interface's frames; may be invalid
  Fd terminal;                      // the master of the workload's terminal; may be invalid
  Fd disk;                          // the private tmpfs; may be invalid
  Fd processes;                     // the sandbox's proc; may be invalid
  std::shared_ptr<ChildPlan> plan;  // what the child reads until it has become process 1
};

// Clones, raises the walls and waits until all stand. On an Error, which names the wall, the child is gone. `setup` and
// `walls` must outlive the child.
// `cgroup_fd`: the group to be born in, or -1. `program`: what to run instead of the command, or null.
Result<Launched> launch(walls::Setup& setup, WallList& walls, engine::Ports ports, int cgroup_fd,
                        Program* program);

// Sends one message to process 1.
bool tell(const Fd& control, uint32_t kind, int32_t value);

}  // namespace sandstone::jail
