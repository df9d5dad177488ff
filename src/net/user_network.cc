#include "net/user_network.h"
namespace sandstone::net {
Result<UserNetwork> UserNetwork::start(const RunSpec&) { return Error{"net","not yet",{}}; }
UserNetwork::UserNetwork(UserNetwork&& o) noexcept = default;
UserNetwork& UserNetwork::operator=(UserNetwork&&) noexcept = default;
UserNetwork::~UserNetwork() {}
Result<void> UserNetwork::attach(Fd) { return {}; }
Result<std::optional<Denial>> UserNetwork::next() { return std::optional<Denial>{}; }
LinkPlan link_plan(const RunSpec&) { return {}; }
std::string resolv_conf() { return ""; }
std::string hosts(std::string_view) { return ""; }
}
