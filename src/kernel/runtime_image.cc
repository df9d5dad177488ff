#include "kernel/runtime_image.h"

#include <elf.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/fd.h"
#include "libkernel/huge_pages.h"

extern "C" const char sandstone_runtime_image[];

namespace sandstone::kernel {
namespace {

constexpr uint64_t kPage = 4096;

void* pointer(uint64_t address) {
  return reinterpret_cast<void*>(address);  // NOLINT: the addresses are fixed numbers
}

bool map(uint64_t at, uint64_t size, int flags) {
  return ::mmap(pointer(at), size, PROT_READ | PROT_WRITE,
                flags | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE | MAP_NORESERVE, -1, 0) == pointer(at);
}

// Text and constants: one file that nobody can write to any more, mapped by every guest. A private copy would be
// copied by each fork page by page, with what the host keeps to find its pages: 7 us of fork and exit.
Result<void> map_text(const Elf64_Phdr& part) {
  const Fd file(::memfd_create("run-time", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!file.valid()) return system_error("run-time", "memfd_create", errno);
  const ssize_t put = ::write(file.get(), sandstone_runtime_image + part.p_offset, part.p_filesz);
  if (put < 0 || static_cast<uint64_t>(put) != part.p_filesz)
    return system_error("run-time", "cannot be written to memory", put < 0 ? errno : ENOSPC);
  if (::fcntl(file.get(), F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
    return system_error("run-time", "cannot seal it", errno);
  if (::mmap(pointer(part.p_vaddr), part.p_filesz, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED_NOREPLACE,
             file.get(), 0) != pointer(part.p_vaddr))
    return system_error("run-time", "cannot map it", errno);
  return {};
}

}  // namespace

Result<const runtime::Header*> load_runtime() {
  Elf64_Ehdr file;
  std::memcpy(&file, sandstone_runtime_image, sizeof file);
  for (unsigned i = 0; i < file.e_phnum; ++i) {
    Elf64_Phdr part;
    std::memcpy(&part, sandstone_runtime_image + file.e_phoff + i * sizeof part, sizeof part);
    if (part.p_type != PT_LOAD) continue;
    if ((part.p_flags & PF_W) == 0) {
      if (auto mapped = map_text(part); !mapped) return mapped.error();
      continue;
    }
    const uint64_t start = part.p_vaddr / kPage * kPage;
    if (!map(start, part.p_vaddr + part.p_memsz - start, MAP_PRIVATE))
      return system_error("run-time", "cannot map its data", errno);
    std::memcpy(pointer(part.p_vaddr), sandstone_runtime_image + part.p_offset, part.p_filesz);
  }
  if (!map(runtime::kSlots, runtime::kSlotsSize, MAP_SHARED))
    return system_error("run-time", "cannot map the threads' slots", errno);
  // Every process needs one of the first slots.
  libkernel::collapse_pages(static_cast<std::byte*>(pointer(runtime::kSlots)), LIB_HUGE_PAGE);
  const auto* header = static_cast<const runtime::Header*>(pointer(runtime::kBase));
  if (header->magic != runtime::kMagic) return Error{"run-time", "is damaged", "build it again"};
  return header;
}

}  // namespace sandstone::kernel
