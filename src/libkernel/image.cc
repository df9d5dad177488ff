#include "libkernel/image.h"

#include <elf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <span>

#include "libkernel/huge_pages.h"

namespace sandstone::libkernel {
namespace {

constexpr uint64_t page = 4096;

void* pointer(uint64_t address) {
  return reinterpret_cast<void*>(address);  // NOLINT: the addresses are fixed numbers
}

Error bad_image(const std::string& path, std::string what) {
  return {path, std::move(what), "build it with ./dev build kernel"};
}

bool read_all(int fd, void* to, uint64_t size, uint64_t offset) {
  auto* at = static_cast<char*>(to);
  while (size > 0) {
    const ssize_t got = ::pread(fd, at, size, static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    at += got;
    size -= static_cast<uint64_t>(got);
    offset += static_cast<uint64_t>(got);
  }
  return true;
}

// Nothing may be there yet: what would be replaced is the program's own.
Result<void> reserve(uint64_t address, uint64_t size, int protection, int flags, int fd) {
  void* at = ::mmap(pointer(address), size, protection, flags | MAP_FIXED_NOREPLACE | MAP_NORESERVE, fd, 0);
  if (at == pointer(address)) return {};
  const int err = errno;
  if (at != MAP_FAILED) ::munmap(at, size);
  return system_error(
      "library kernel", fmt::format("cannot map {} MiB at {:#x}", size >> 20, address), err,
      "one library kernel at a time fits into a process; is a limit on address space set (ulimit -v)?");
}

Result<Fd> make_memory(const char* name, uint64_t size) {
  Fd memfd(::memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!memfd.valid()) return system_error("library kernel", "memfd_create", errno);
  if (::ftruncate(memfd.get(), static_cast<off_t>(size)) != 0)
    return system_error("library kernel", "ftruncate", errno);
  // Who can open it (through /proc, or inherited) and cut it off would end every process that has it mapped,
  // by SIGBUS.
  if (::fcntl(memfd.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
    return system_error("library kernel", "cannot seal the memory file", errno);
  return memfd;
}

Result<void> copy_segments(const std::string& path, int fd, uint64_t memory) {
  Elf64_Ehdr file{};
  if (!read_all(fd, &file, sizeof file, 0) || std::memcmp(file.e_ident, ELFMAG, SELFMAG) != 0 ||
      file.e_machine != EM_X86_64 || file.e_phentsize != sizeof(Elf64_Phdr) || file.e_phnum > 16)
    return bad_image(path, "is not a library kernel's image");
  std::array<Elf64_Phdr, 16> segments{};
  if (!read_all(fd, segments.data(), file.e_phnum * sizeof(Elf64_Phdr), file.e_phoff))
    return bad_image(path, "is cut short");
  for (const Elf64_Phdr& segment : std::span(segments).first(file.e_phnum)) {
    if (segment.p_type != PT_LOAD) continue;
    if (segment.p_vaddr < LIB_BASE + LIB_IMAGE_OFFSET || segment.p_filesz > segment.p_memsz ||
        segment.p_memsz > memory || segment.p_vaddr - LIB_BASE > memory - segment.p_memsz)
      return bad_image(path, "does not fit into the memory that it is given");
    if (!read_all(fd, pointer(segment.p_vaddr), segment.p_filesz, segment.p_offset))
      return bad_image(path, "is cut short");
  }
  return {};
}

}  // namespace

Image::Image(Fd memfd, uint64_t size)
    : memfd_(std::move(memfd)),
      size_(size),
      header_(static_cast<lib_header*>(pointer(LIB_BASE + LIB_IMAGE_OFFSET))) {}

Image::Image(Image&& other) noexcept
    : memfd_(std::move(other.memfd_)),
      size_(std::exchange(other.size_, 0)),
      window_(other.window_),
      header_(other.header_) {}

Image::~Image() {
  if (size_ == 0) return;
  ::munmap(pointer(LIB_BASE), size_ + (window_ > 0 ? window_ + page : 0));
  ::munmap(pointer(LIB_VMALLOC), LIB_VMALLOC_SIZE);
}

std::byte* Image::memory() const {
  return static_cast<std::byte*>(pointer(LIB_BASE));
}

Result<Image> Image::load(const std::string& path, uint64_t memory) {
  const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid()) return system_error(path, "cannot open the library kernel's image", errno);
  auto image = map(memory, 0);
  if (!image) return image;
  if (auto filled = image->fill(file.get(), path, Pages::small); !filled) return filled.error();
  return image;
}

Result<Image> Image::map(uint64_t memory, uint64_t window) {
  auto memfd = make_memory("library-kernel", memory);
  if (!memfd) return memfd.error();
  if (auto mapped = reserve(LIB_BASE, memory, PROT_READ | PROT_WRITE, MAP_SHARED, memfd->get()); !mapped)
    return mapped.error();
  Image image(std::move(*memfd), memory);  // from here on it unmaps what is there
  if (window > 0) {
    auto second = make_memory("window", window);
    if (!second) return second.error();
    // And a page where there is none: who touches that gets SIGBUS.
    if (auto mapped =
            reserve(LIB_BASE + memory, window + page, PROT_READ | PROT_WRITE, MAP_SHARED, second->get());
        !mapped)
      return mapped.error();
    image.window_ = window;
  }
  if (auto mapped = reserve(LIB_VMALLOC, LIB_VMALLOC_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
      !mapped)
    return mapped.error();
  return image;
}

Result<void> Image::fill(int file, const std::string& name, Pages pages) {
  if (pages == Pages::huge) put_huge_pages(memory(), size_, window_);
  if (auto copied = copy_segments(name, file, size_); !copied) return copied;
  if (header_->magic != LIB_ABI_MAGIC) return bad_image(name, "is not a library kernel's image");
  if (header_->shape != LIB_ABI_SHAPE || header_->header_size != sizeof(lib_header))
    return bad_image(name, "is of another version than this program");
  return seal_text();
}

// Executable and not writable: what a guest overwrites of the kernel must not become code.
Result<void> Image::seal_text() const {
  void* text = pointer(header_->text_start);
  if (::mprotect(text, header_->text_end - header_->text_start, PROT_READ | PROT_EXEC) != 0)
    return system_error("library kernel", "mprotect", errno);
  return {};
}

}  // namespace sandstone::libkernel
