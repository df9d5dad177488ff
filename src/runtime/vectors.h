// The vector state of a guest: live in the registers, or in a signal frame of the host's.
#pragma once

#include "runtime/thread.h"

namespace sandstone::runtime {

// Writes it to `at`, as the host lays it out in a frame; its size there is vector_size().
uint64_t vector_size(const Context& context);
bool save_vectors(const Context& context, uint64_t at);

bool restore_vectors(Context& context,
                     uint64_t at);                // from a frame of the guest's, which it may have changed
void reset_vector_state(Context& context);        // as a program finds it
bool has_extended_state(const Context& context);  // in its frame: what the instruction xrstor takes

}  // namespace sandstone::runtime
