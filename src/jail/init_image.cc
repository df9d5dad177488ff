#include "jail/init_image.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>

extern "C" const char sandstone_init_image[];
extern "C" const char sandstone_init_image_end[];

namespace sandstone::jail {
namespace {
constexpr unsigned kMfdExec = 0x10;  // MFD_EXEC, Linux 6.3
constexpr const char* kRemedy = "sysctl vm.memfd_noexec=0 or 1";
}  // namespace

Result<Fd> sealed_init() {
  const auto size = static_cast<size_t>(sandstone_init_image_end - sandstone_init_image);
  Fd image(::memfd_create("sandstone-init", MFD_CLOEXEC | MFD_ALLOW_SEALING | kMfdExec));
  if (!image.valid() && errno == EINVAL)
    image = Fd(::memfd_create("sandstone-init", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!image.valid()) return system_error("process 1", "cannot make its memfd", errno, kRemedy);
  if (::write(image.get(), sandstone_init_image, size) != static_cast<ssize_t>(size))
    return system_error("process 1", "cannot fill its memfd", errno);
  if (::fcntl(image.get(), F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) != 0)
    return system_error("process 1", "cannot seal its memfd", errno);
  return image;
}

}  // namespace sandstone::jail
