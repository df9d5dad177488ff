#include <string_view>

#include "probe/page/page.h"
#include "probe/render.h"

namespace sandstone::probe {
namespace {

void put(std::string& page, std::string_view place, std::string_view content) {
  const size_t at = page.find(place);
  if (at != std::string::npos) page.replace(at, place.size(), content);
}

// Inside a script element nothing may look like its end, or like markup: JSON can write every '<' as an
// escape.
std::string without_markup(const std::string& json) {
  std::string text;
  text.reserve(json.size());
  for (const char c : json) {
    if (c == '<')
      text += "\\u003c";
    else
      text += c;
  }
  return text;
}

}  // namespace

std::string render_html(const Report& report) {
  std::string page = page::kHtml;
  // The report last: it is the one part that could hold the name of a place.
  put(page, "/*STYLE*/", page::kStyle);
  put(page, "/*SCRIPT*/", page::kScript);
  put(page, "/*REPORT*/", without_markup(to_json(report)));
  return page;
}

}  // namespace sandstone::probe
