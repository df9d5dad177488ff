// The page's parts: page.html with the places /*STYLE*/, /*SCRIPT*/ and /*REPORT*/, and what goes into the
// first two.
#pragma once

namespace sandstone::probe::page {
extern const char kHtml[];
extern const char kStyle[];
extern const char kScript[];
}  // namespace sandstone::probe::page
