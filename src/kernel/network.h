// The library kernel's eth0: a virtio card whose frames go to and come from a descriptor, one a packet, and
// its addresses.
#pragma once

#include <sandstone/result.h>

#include <memory>

#include "base/fd.h"
#include "devices/device.h"
#include "kernel/options.h"
#include "kernel/task.h"

namespace sandstone::kernel {

// In the process that serves the devices. `frames` (a SOCK_SEQPACKET) and a thread that reads it live as long
// as it does.
std::unique_ptr<devices::Device> make_card(Fd frames);

// In the kernel's own, by calls of process 1's: what make_link() does for a jail.
Result<void> configure_card(Task& init, const Options& options);

}  // namespace sandstone::kernel
