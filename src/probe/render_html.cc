#include "probe/render.h"

namespace sandstone::probe {
std::string render_html(const Report& report) { return to_json(report); }
}  // namespace sandstone::probe
