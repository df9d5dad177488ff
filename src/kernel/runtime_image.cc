#include "kernel/runtime_image.h"

#include <elf.h>
#include <sys/mman.h>

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

}  // namespace

Result<const runtime::Header*> load_runtime() {
  Elf64_Ehdr file;
  std::memcpy(&file, sandstone_runtime_image, sizeof file);
  for (unsigned i = 0; i < file.e_phnum; ++i) {
    Elf64_Phdr part;
    std::memcpy(&part, sandstone_runtime_image + file.e_phoff + i * sizeof part, sizeof part);
    if (part.p_type != PT_LOAD) continue;
    const uint64_t start = part.p_vaddr / kPage * kPage;
    const uint64_t end = (part.p_vaddr + part.p_memsz + kPage - 1) / kPage * kPage;
    if (!map(start, end - start, MAP_PRIVATE)) return system_error("run-time", "cannot map it", errno);
    std::memcpy(pointer(part.p_vaddr), sandstone_runtime_image + part.p_offset, part.p_filesz);
    const int protection = ((part.p_flags & PF_R) != 0 ? PROT_READ : 0) |
                           ((part.p_flags & PF_W) != 0 ? PROT_WRITE : 0) |
                           ((part.p_flags & PF_X) != 0 ? PROT_EXEC : 0);
    ::mprotect(pointer(start), end - start, protection);
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
