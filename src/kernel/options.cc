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
    if (flag == "--image-fd")
      options.image_fd = std::atoi(value().c_str());
    else if (flag == "--frames-fd")
      options.frames_fd = std::atoi(value().c_str());
    else if (flag == "--loopback-ports") {
      char* end = nullptr;
      const std::string text = value();
      const auto first = std::strtoul(text.c_str(), &end, 10);
      options.loopback_ports.emplace_back(first, *end == '-' ? std::strtoul(end + 1, nullptr, 10) : first);
    } else if (flag == "--trace-fd")
      options.trace_fd = std::atoi(value().c_str());
    else if (flag == "--trace-json")
      options.trace_json = true;
    else if (flag == "--stats-fd")
      options.stats_fd = std::atoi(value().c_str());
    else if (flag == "--stats-lines-fd")
      options.stats_lines_fd = std::atoi(value().c_str());
    else if (flag == "--stats-interval")
      options.stats_interval = std::chrono::milliseconds(std::strtoll(value().c_str(), nullptr, 10));
    else if (flag == "--memory")
      options.memory = std::strtoull(value().c_str(), nullptr, 10);
    else if (flag == "--mode") {
      const std::string mode = value();
      options.mode = mode == "rewrite" || mode == "auto" ? runtime::Mode::rewrite
                     : mode == "unotify"                 ? runtime::Mode::notify
                                                         : runtime::Mode::trap;
    } else if (flag == "--disk-fd")
      options.disk_fd = std::atoi(value().c_str());
    else if (flag == "--disk-read-only")
      options.disk = Options::Disk::read_only;
    else if (flag == "--disk-persistent")
      options.disk = Options::Disk::persistent;
    else if (flag == "--verbose")
      options.verbose = true;
    else if (flag == "--terminal")
      options.terminal = true;
    else if (flag == "--no-writable-code")
      options.allow_writable_code = false;
    else if (flag == "--hostname")
      options.hostname = value();
    else if (flag == "--folder")
      options.folder = value();
    else if (flag == "--read-only")
      options.read_only = true;
    else if (flag == "--variable")
      options.variables.push_back(value());
    else if (flag == "--user")
      options.user = value();
    else if (flag == "--user-sets")
      options.user_sets.push_back(value());
    else if (flag == "--uid")
      options.uid = static_cast<uint32_t>(std::strtoul(value().c_str(), nullptr, 10));
    else if (flag == "--gid")
      options.gid = static_cast<uint32_t>(std::strtoul(value().c_str(), nullptr, 10));
    else if (flag == "--writable")
      options.volumes.push_back({value(), false});
    else if (flag == "--readable")
      options.volumes.push_back({value(), true});
    else if (flag == "--tmpfs") {
      const std::string text = value();
      const size_t colon = text.find(':');
      options.tmpfs.push_back(
          {colon < text.size() ? text.substr(colon + 1) : text, std::strtoull(text.c_str(), nullptr, 10)});
    } else
      return Error{"sandstone-kernel", fmt::format("'{}' is no option", flag), "sandstone run starts it"};
  }
  for (; at < argc; ++at) options.command.emplace_back(argv[at]);
  if (options.command.empty()) return Error{"sandstone-kernel", "no command", "sandstone run starts it"};
  return options;
}

}  // namespace sandstone::kernel
