// UserNetwork: the supervisor's handle on the process that is the workload's network (sandstone-net).
//
//   auto network = net::UserNetwork::start(spec);        // before the fork: spawns it, sends the policy,
//   does not wait net::LinkPlan plan = net::link_plan(spec);           // for make_link in the jail's child
//   ...                                                  // the child sends back LinkResult::frames
//   auto attached = network->attach(std::move(frames));  // waits until the ports are bound and the process
//   is jailed poll(network->event_fd()) -> network->next()         // denials, as they happen
//   network->finish()                                    // the last of them
//
// The process ends with the UserNetwork, and by itself when the supervisor dies.
#pragma once

#include <sandstone/event.h>
#include <sandstone/result.h>
#include <sandstone/run_spec.h>
#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "net/link.h"

namespace sandstone::net {

class UserNetwork {
 public:
  // Checks the rules and forwards of `spec` (errors name --allow or -p), then spawns the process. Returns at
  // once.
  static Result<UserNetwork> start(const RunSpec& spec);

  UserNetwork(UserNetwork&& other) noexcept;
  UserNetwork& operator=(UserNetwork&& other) noexcept;
  ~UserNetwork();  // kills and reaps the process

  // Waits until the forwarded ports are bound and the process has jailed itself, then hands it the workload's
  // frames. Must come before the workload is let run. An Error (a host port that is taken) leaves nothing
  // behind.
  Result<void> attach(Fd frames);

  // Readable when next() has something to say; -1 after next() has failed.
  [[nodiscard]] int event_fd() const { return control_.get(); }

  // The next denial (wall "network"; since_start and pid are left to the caller), nothing if there is none
  // now, or an Error, once, if the process died: the workload has no network from then on.
  Result<std::optional<Denial>> next();

  // When the workload has ended: the denials that were not told yet. Ends the process.
  std::vector<Denial> finish();

  // To place the process in the sandbox's control group. It is the caller's child, reaped by the destructor.
  [[nodiscard]] pid_t pid() const { return pid_; }

 private:
  UserNetwork(pid_t pid, Fd control) : pid_(pid), control_(std::move(control)) {}
  void end();

  pid_t pid_ = -1;
  Fd control_;
};

// Refuses rules and forwards that mean nothing, with the place (--allow, -p) and the remedy. Sees the spec
// alone.
Result<void> check(const RunSpec& spec);

// The loopback ports that `spec` opens. `spec` has passed check().
LinkPlan link_plan(const RunSpec& spec);

// What the sandbox's /etc/resolv.conf and /etc/hosts should say with Network::user.
std::string resolv_conf();
std::string hosts(std::string_view hostname);

}  // namespace sandstone::net
