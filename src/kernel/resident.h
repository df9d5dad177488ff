// Tells the library kernel how many pages of its own a guest's process has: its /proc cannot know it.
#pragma once

#include <lib_abi.h>

#include <cstdint>

namespace sandstone::kernel {

// RssAnon of a process, in bytes, as the host's /proc in this pid namespace has it; 0 if there is none.
uint64_t anonymous_memory_of(uint32_t pid);

class Resident {
 public:
  // Before the first guest, who can write to the header, and from then on ask about any number.
  explicit Resident(const lib_header& header);

  // Answers; does not come back.
  [[noreturn]] void run();

 private:
  lib_question& question_;
};

}  // namespace sandstone::kernel
