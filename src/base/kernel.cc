#include "base/kernel.h"

#include <sys/utsname.h>

#include <cstdlib>

namespace sandstone {

bool kernel_is_at_least(long major, long minor) {
  utsname names{};
  if (::uname(&names) != 0) return false;
  char* end = nullptr;
  const long first = std::strtol(names.release, &end, 10);
  const long second = *end == '.' ? std::strtol(end + 1, nullptr, 10) : 0;
  return first > major || (first == major && second >= minor);
}

}  // namespace sandstone
