#include "kernel/options.h"

#include <fmt/format.h>

#include <cstdlib>
#include <string_view>

namespace sandstone::kernel {

Result<Options> parse(int argc, char** argv) {
  Options options;
  int at = 1;
  const auto value = [&]() -> std::string { return at + 1 < argc ? argv[++at] : std::string(); };
  for (; at < argc; ++at) {
    const std::string_view flag = argv[at];
    if (flag == "--") {
      ++at;
      break;
    }
    if (flag == "--image-fd") options.image_fd = std::atoi(value().c_str());
    else if (flag == "--memory") options.memory = std::strtoull(value().c_str(), nullptr, 10);
    else if (flag == "--mode") {
      const std::string mode = value();
      options.mode = mode == "rewrite" ? runtime::Mode::rewrite : mode == "unotify" ? runtime::Mode::notify : runtime::Mode::trap;
    } else if (flag == "--verbose") options.verbose = true;
    else if (flag == "--terminal") options.terminal = true;
    else if (flag == "--no-writable-code") options.allow_writable_code = false;
    else if (flag == "--hostname") options.hostname = value();
    else if (flag == "--folder") options.folder = value();
    else if (flag == "--writable") options.writable.push_back(value());
    else if (flag == "--tmpfs") options.tmpfs.push_back(value());
    else return Error{"sandstone-kernel", fmt::format("'{}' is no option", flag), "sandstone run starts it"};
  }
  for (; at < argc; ++at) options.command.emplace_back(argv[at]);
  if (options.command.empty()) return Error{"sandstone-kernel", "no command", "sandstone run starts it"};
  return options;
}

}  // namespace sandstone::kernel
