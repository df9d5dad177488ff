#include "harden/call_filter.h"

#include <sys/mman.h>

#include <cerrno>

#include "base/fd.h"

namespace sandstone::harden {

CallFilter::CallFilter()
    : filter_(::seccomp_init(SCMP_ACT_ERRNO(EPERM)), &::seccomp_release), status_(filter_ ? 0 : -ENOMEM) {}

void CallFilter::allow(int call, std::initializer_list<scmp_arg_cmp> when) {
  if (status_ == 0)
    status_ = ::seccomp_rule_add_array(filter_.get(), SCMP_ACT_ALLOW, call,
                                       static_cast<unsigned>(when.size()), when.begin());
}

void CallFilter::allow(std::span<const int> calls) {
  for (const int call : calls) allow(call, {});
}

void CallFilter::allow_fcntl(std::initializer_list<int> commands) {
  for (const int command : commands)
    allow(SCMP_SYS(fcntl), {SCMP_A1(SCMP_CMP_EQ, static_cast<scmp_datum_t>(command))});
}

void CallFilter::allow_memory() {
  for (const int call : {SCMP_SYS(mmap), SCMP_SYS(mprotect)})
    allow(call, {SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)});
}

Result<void> CallFilter::load(const std::string& who) {
#if !defined(__SANITIZE_ADDRESS__)
  if (status_ == 0) status_ = ::seccomp_load(filter_.get());
#endif
  return status_ == 0 ? Result<void>() : system_error(who, "seccomp", -status_);
}

}  // namespace sandstone::harden
