// What process 1 and the supervisor say to each other over a SOCK_SEQPACKET: one Message a packet, fixed size. Before
// process 1 runs, the jail's child speaks the same protocol over the same socket.
#pragma once

#include <stdint.h>

namespace sandstone::init {

enum class Kind : uint32_t {
  // to the supervisor
  wall_failed = 1,  // value: errno, number: the wall's place in the list; text: what failed
  descriptors,      // number: bits of kHas…; the descriptors ride along in that order
  started,          // value: the workload's pid inside
  exec_failed,      // value: errno
  exited,           // value: wait status of the workload
  slot,             // answer to take_slot. value: 0, EAGAIN (none is free) or EBUSY (ask again)
  // to process 1
  signal,        // value: signal for the workload's main process
  go,            // run the workload
  release_slot,  // with kFlagSlot: leave the place among the processes that is kept
  take_slot,     // and take one again
};

enum : uint32_t { kHasListener = 1, kHasFrames = 2, kHasTerminal = 4, kHasDisk = 8, kHasProcesses = 16 };
constexpr int kMostDescriptors = 5;

struct Message {
  Kind kind;
  int32_t value;
  uint32_t number;
  char text[260];
};

// Process 1 is executed with these arguments before the workload's own: its name and one word of flags, each a letter.
// The control socket is descriptor 3; 0, 1 and 2 are the workload's.
constexpr int kControlFd = 3;
constexpr int kFixedArguments = 2;
constexpr int kProgramFd = 4;
constexpr char kFlagTerminal = 't';  // descriptor 0 becomes the controlling terminal
constexpr char kFlagSession = 's';   // the workload leads a session of its own
constexpr char kFlagReaper =
    'r';                         // not process 1 of a pid namespace: adopt orphans, and kill them one by one
constexpr char kFlagSlot = 'p';  // a second thread keeps a place among the processes that RLIMIT_NPROC counts
constexpr char kFlagProgram =
    'x';  // the workload is executed from descriptor kProgramFd; the ones above are for it
constexpr char kFlagNone = '-';

}  // namespace sandstone::init
