// libFuzzer: any bytes as a config file. What is accepted, printed and read again must print the same.
//
//   ./dev build fuzz fuzz_config && build/fuzz/fuzz_config -dict=src/spec/fuzz_config.dict CORPUS

#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "spec/config.h"

namespace {

using namespace sandstone;

Result<RunSpec> read(std::string_view text) {
  Draft draft;
  if (auto result = apply_config(text, "fuzz.json", "/folder", draft); !result) return result.error();
  // Files that the input names are not the fuzzer's to read: some never end.
  draft.variables[0].files.clear();
  if (draft.user.find_first_not_of("0123456789:") != std::string::npos) draft.user.clear();
  return finish(std::move(draft));
}

void require(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "fuzz_config: %s\n", what);
  std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto spec = read({reinterpret_cast<const char*>(data), size});
  if (!spec) {
    const std::string line = spec.error().line();
    require(line.find_first_of("\n\r\x1b") == std::string::npos, "an error of more than one plain line");
    require(!spec.error().where.empty(), "an error without a place");
    return 0;
  }
  require(spec.value().check().ok(), "an accepted config that check() refuses");
  const auto printed = print_config(spec.value());
  require(printed.ok(), "an accepted config that cannot be printed");
  const auto again = read(printed.value());
  require(again.ok(), "a printed config that is refused");
  require(print_config(again.value()).value() == printed.value(),
          "a printed config that means something else");
  return 0;
}
