// What the image process gives up before it reads the source's first byte.
#pragma once

#include <sandstone/result.h>

namespace sandstone::image {

// Every descriptor but those of wire.h, every capability but (to read a folder) CAP_DAC_READ_SEARCH, root's
// ids (unless it is to read a folder), all files but what lies below kSource (Landlock), and every system
// call but those of reading there and writing to what is open (seccomp). Cannot be undone.
Result<void> give_up_privileges(bool reads_folder);

}  // namespace sandstone::image
