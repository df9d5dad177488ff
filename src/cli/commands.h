// The commands of `sandstone`. Each takes the words after its own name and returns the exit status.
#pragma once

#include <span>
#include <string_view>

namespace sandstone::cli {

using Words = std::span<char* const>;

struct Command {
  std::string_view name;
  std::string_view summary;
  int (*run)(Words words);
};

std::span<const Command> commands();

// `words` without the program's own name.
int dispatch(Words words);

int run_command(Words words);
int probe_command(Words words);
int bench_command(Words words);
int doctor_command(Words words);
int image_command(Words words);

}  // namespace sandstone::cli
