// A report as a person reads it.
#pragma once

#include <string>

#include "probe/report.h"

namespace sandstone::probe {

struct TextOptions {
  bool colour = false;
  size_t columns = 120;
};

std::string render_text(const Report& report, const TextOptions& options);

// One page, with no other file or address behind it.
std::string render_html(const Report& report);

}  // namespace sandstone::probe
