// sandstone: the command. Everything it does is in the rooms below; this file only catches what nothing else
// did.

#include <exception>

#include "cli/commands.h"
#include "cli/output.h"

int main(int argc, char** argv) {
  try {
    return sandstone::cli::dispatch({argv + (argc > 0 ? 1 : 0), argv + argc});
  } catch (const std::exception& exception) {
    return sandstone::cli::fail(sandstone::Error{"internal error", exception.what(), {}});
  }
}
