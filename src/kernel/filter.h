// The host's filter around guests.
#pragma once

#include <linux/filter.h>

#include <vector>

#include "runtime/runtime.h"

namespace sandstone::kernel {

class Filter {
 public:
  explicit Filter(std::vector<sock_filter> code) : code_(std::move(code)), program_{static_cast<unsigned short>(code_.size()), code_.data()} {}
  Filter(const Filter&) = delete;
  Filter& operator=(const Filter&) = delete;
  [[nodiscard]] const sock_fprog* program() const { return &program_; }

 private:
  std::vector<sock_filter> code_;
  sock_fprog program_;
};

// For a guest's process and its children: whatever call does not come from our own text becomes a SIGSYS.
Filter guest_filter(runtime::Mode mode);

}  // namespace sandstone::kernel
