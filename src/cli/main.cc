// sandstone: the command. Everything it does is in the rooms below; this file only catches what nothing else
// did.

#include <fcntl.h>
#include <unistd.h>

#include <exception>

#include "cli/commands.h"
#include "cli/output.h"

namespace {

// With a standard stream closed by the caller, the next file that we open would take its number: the report
// of --json as stderr, for the workload to write into.
bool fill_standard_streams() {
  for (int fd = 0; fd <= STDERR_FILENO; ++fd)
    if (::fcntl(fd, F_GETFD) < 0 && ::open("/dev/null", O_RDWR) != fd) return false;
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  if (!fill_standard_streams()) return 125;
  try {
    return sandstone::cli::dispatch({argv + (argc > 0 ? 1 : 0), argv + argc});
  } catch (const std::exception& exception) {
    return sandstone::cli::fail(sandstone::Error{"internal error", exception.what(), {}});
  }
}
