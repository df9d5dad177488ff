#include "rewrite/elf.h"

#include <algorithm>
#include <utility>

#include "rewrite/elf_image.h"

namespace sandstone::rewrite {
namespace {

constexpr size_t kMostSegments = 64;

bool is_code(const Elf64_Phdr& segment) {
  return segment.p_type == PT_LOAD && (segment.p_flags & PF_X) != 0;
}

// Those of `addresses` in the segment, as offsets.
std::vector<uint64_t> inside(const std::vector<uint64_t>& addresses, const CodeSegment& segment) {
  const auto first = std::lower_bound(addresses.begin(), addresses.end(), segment.address);
  const auto end = std::lower_bound(first, addresses.end(), segment.address + segment.size);
  std::vector<uint64_t> offsets(first, end);
  for (uint64_t& offset : offsets) offset -= segment.address;
  return offsets;
}

void sort_once(std::vector<uint64_t>& addresses) {
  std::sort(addresses.begin(), addresses.end());
  addresses.erase(std::unique(addresses.begin(), addresses.end()), addresses.end());
}

}  // namespace

std::optional<ElfImage> ElfImage::open(std::span<const std::byte> file) {
  const auto header = read<Elf64_Ehdr>(file, 0);
  if (!header || std::memcmp(header->e_ident, ELFMAG, SELFMAG) != 0 ||
      header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_ident[EI_DATA] != ELFDATA2LSB ||
      header->e_machine != EM_X86_64 || header->e_phentsize != sizeof(Elf64_Phdr))
    return std::nullopt;
  ElfImage image;
  image.file_ = file;
  image.header_ = *header;
  for (size_t i = 0; i < std::min<size_t>(header->e_phnum, kMostSegments); ++i) {
    const auto segment = header->e_phoff <= file.size()
                             ? read<Elf64_Phdr>(file, header->e_phoff + i * sizeof(Elf64_Phdr))
                             : std::nullopt;
    if (!segment) break;
    // One that ends past the address space or the file is no use to anybody.
    if (segment->p_vaddr + segment->p_filesz < segment->p_vaddr) continue;
    if (segment->p_offset > file.size() || segment->p_filesz > file.size() - segment->p_offset) continue;
    image.segments_.push_back(*segment);
  }
  return image;
}

std::span<const std::byte> ElfImage::bytes_of(const Elf64_Phdr& segment) const {
  return file_.subspan(segment.p_offset, segment.p_filesz);
}

std::span<const std::byte> ElfImage::at(uint64_t address) const {
  for (const Elf64_Phdr& segment : segments_)
    if (segment.p_type == PT_LOAD && address >= segment.p_vaddr &&
        address - segment.p_vaddr < segment.p_filesz)
      return bytes_of(segment).subspan(address - segment.p_vaddr);
  return {};
}

void add_symbols(const ElfImage& image, CodeAddresses& found) {
  const Elf64_Ehdr& header = image.header();
  if (header.e_shentsize != sizeof(Elf64_Shdr) || header.e_shoff > image.file().size()) return;
  bool seen[2] = {};
  for (size_t i = 0; i < header.e_shnum; ++i) {
    const auto section = read<Elf64_Shdr>(image.file(), header.e_shoff + i * sizeof(Elf64_Shdr));
    if (!section) return;
    if (section->sh_type != SHT_SYMTAB && section->sh_type != SHT_DYNSYM) continue;
    if (section->sh_offset > image.file().size()) continue;
    // One of each kind, as the format has it: else many headers could name one big table.
    if (std::exchange(seen[section->sh_type == SHT_DYNSYM], true)) continue;
    const uint64_t size = std::min<uint64_t>(section->sh_size, image.file().size() - section->sh_offset);
    for (uint64_t at = 0; size - at >= sizeof(Elf64_Sym); at += sizeof(Elf64_Sym)) {
      const auto symbol = *read<Elf64_Sym>(image.file(), section->sh_offset + at);
      if (symbol.st_shndx == SHN_UNDEF || symbol.st_value == 0) continue;
      const unsigned type = ELF64_ST_TYPE(symbol.st_info);
      if (type == STT_FUNC || type == STT_GNU_IFUNC) found.starts.push_back(symbol.st_value);
      // A label of assembly may be in the middle of an instruction.
      if (type == STT_NOTYPE) found.landings.push_back(symbol.st_value);
    }
  }
}

std::vector<CodeSegment> code_segments(std::span<const std::byte> file) {
  const std::optional<ElfImage> image = ElfImage::open(file);
  std::vector<CodeSegment> segments;
  if (!image) return segments;
  CodeAddresses found;
  found.starts.push_back(image->header().e_entry);
  add_symbols(*image, found);
  add_frames(*image, found);
  add_pointers(*image, found);
  sort_once(found.starts);
  sort_once(found.landings);
  for (const Elf64_Phdr& header : image->segments()) {
    if (!is_code(header) || header.p_filesz == 0) continue;
    CodeSegment& segment = segments.emplace_back(
        CodeSegment{.file_offset = header.p_offset, .address = header.p_vaddr, .size = header.p_filesz});
    segment.starts = inside(found.starts, segment);
    segment.landings = inside(found.landings, segment);
  }
  return segments;
}

}  // namespace sandstone::rewrite
