// A Record as people and programs read it.
//
//   openat(AT_FDCWD, "/etc/passwd", O_RDONLY|O_CLOEXEC) = 3
//   read(3, "root:x:0:0:root:/root:/bin/bash\n"..., 4096) = 1234
//   stat("/none", 0x7ffc1d30) = -1 ENOENT (No such file or directory)
//
// as strace(1) does, so that who reads the one can read the other. Everything in the record may be a lie: the
// output is printable ASCII on one line whatever the record holds, so it drives no terminal and forges no
// second line.
#pragma once

#include <string>
#include <vector>

#include "observe/record.h"

namespace sandstone::observe {

struct TextStyle {
  bool pid = false;          // [pid 12] in front
  bool time = false;         // 13:37:00.123456, in UTC
  bool duration = false;     // <0.000012> at the end
  bool disposition = false;  // who served it: [library, rewritten]
};

// One line, without the newline.
std::string format_text(const Record& record, const TextStyle& style = {});

// One JSON object on one line, without the newline: time (seconds since 1970, to the microsecond), pid, tid,
// name, args (texts, as above), result (null if there is none), error (ENOENT, or null), duration_ns,
// disposition, transport.
std::string format_json(const Record& record);

// `openat`, or `syscall_0x200` for a number that Linux has not given away.
std::string call_name(const Record& record);
std::vector<std::string> format_arguments(const Record& record);

const char* to_string(Disposition disposition);
const char* to_string(Transport transport);

}  // namespace sandstone::observe
