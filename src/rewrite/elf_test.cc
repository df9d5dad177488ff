#include "rewrite/elf.h"

#include <dlfcn.h>
#include <elf.h>
#include <gtest/gtest.h>
#include <link.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <iterator>

namespace sandstone::rewrite {
namespace {

// An ELF file of one code segment at 0x1000 and one data segment at 0x2000, each 0x1000 bytes in the file at
// the same offset, with a PT_GNU_EH_FRAME at 0x2800.
struct File {
  std::vector<std::byte> bytes = std::vector<std::byte>(0x3000);

  File() {
    Elf64_Ehdr header{};
    std::memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = ELFCLASS64;
    header.e_ident[EI_DATA] = ELFDATA2LSB;
    header.e_machine = EM_X86_64;
    header.e_phoff = sizeof header;
    header.e_phentsize = sizeof(Elf64_Phdr);
    header.e_phnum = 3;
    header.e_shentsize = sizeof(Elf64_Shdr);
    header.e_entry = 0x1010;
    put(0, header);
    const auto segment = [](uint32_t type, uint32_t flags, uint64_t address, uint64_t size) {
      return Elf64_Phdr{type, flags, address, address, address, size, size, 0x1000};
    };
    put(header.e_phoff, segment(PT_LOAD, PF_R | PF_X, 0x1000, 0x1000));
    put(header.e_phoff + sizeof(Elf64_Phdr), segment(PT_LOAD, PF_R, 0x2000, 0x1000));
    put(header.e_phoff + 2 * sizeof(Elf64_Phdr), segment(PT_GNU_EH_FRAME, PF_R, 0x2800, 0x100));
  }
  template <typename T>
  void put(size_t at, const T& value) {
    std::memcpy(bytes.data() + at, &value, sizeof value);
  }
  void put_bytes(size_t at, std::initializer_list<int> values) {
    for (const int value : values) bytes[at++] = static_cast<std::byte>(value);
  }
  [[nodiscard]] CodeSegment segment() const {
    const std::vector<CodeSegment> all = code_segments(bytes);
    return all.size() == 1 ? all[0] : CodeSegment{};
  }
};

using Offsets = std::vector<uint64_t>;

TEST(RewriteElf, FindsTheCodeAndItsEntry) {
  const CodeSegment segment = File().segment();
  EXPECT_EQ(segment.file_offset, 0x1000U);
  EXPECT_EQ(segment.address, 0x1000U);
  EXPECT_EQ(segment.size, 0x1000U);
  EXPECT_EQ(segment.starts, Offsets{0x10});
  EXPECT_TRUE(segment.landings.empty());
}

TEST(RewriteElf, FindsSymbols) {
  File file;
  Elf64_Ehdr header;
  std::memcpy(&header, file.bytes.data(), sizeof header);
  header.e_shoff = 0x200;
  header.e_shnum = 1;
  file.put(0, header);
  file.put(0x200, Elf64_Shdr{.sh_type = SHT_SYMTAB, .sh_offset = 0x300, .sh_size = 5 * sizeof(Elf64_Sym)});
  const auto symbol = [&](size_t i, unsigned type, uint64_t value, uint16_t section) {
    file.put(0x300 + i * sizeof(Elf64_Sym),
             Elf64_Sym{.st_info = static_cast<unsigned char>(ELF64_ST_INFO(STB_GLOBAL, type)),
                       .st_shndx = section,
                       .st_value = value});
  };
  symbol(0, STT_FUNC, 0x1100, 1);
  symbol(1, STT_NOTYPE, 0x1200, 1);
  symbol(2, STT_OBJECT, 0x1300, 1);
  symbol(3, STT_FUNC, 0x1400, SHN_UNDEF);
  symbol(4, STT_FUNC, 0x2100, 1);
  EXPECT_EQ(file.segment().starts, (Offsets{0x10, 0x100}));
  EXPECT_EQ(file.segment().landings, Offsets{0x200});
}

TEST(RewriteElf, FindsPointersAndJumpTables) {
  File file;
  file.put(0x2008, uint64_t{0x1234});
  file.put(0x2014, uint64_t{0x1244});  // not aligned: no pointer
  file.put_bytes(0x1100, {0x48, 0x8d, 0x15});
  file.put(0x1103, int32_t{0x2400 - 0x1107});
  const int32_t table[] = {0x1500 - 0x2400, 0x1510 - 0x2400, 0};
  file.put(0x2400, table);
  EXPECT_EQ(file.segment().landings, (Offsets{0x234, 0x500, 0x510}));
}

TEST(RewriteElf, FindsFramesAndLandingPads) {
  File file;
  // .eh_frame_hdr: version 1, pointer to frames (omitted), count udata4, table datarel|sdata4
  file.put_bytes(0x2800, {1, 0xff, 0x03, 0x3b});
  file.put(0x2804, uint32_t{1});
  file.put(0x2808, int32_t{0x1300 - 0x2800});
  file.put(0x280c, int32_t{0x2940 - 0x2800});
  // CIE with "zPLR": personality and LSDA pcrel|sdata4, code pcrel|sdata4
  file.put(0x2900, uint32_t{0x1c});
  file.put_bytes(0x2908, {1, 'z', 'P', 'L', 'R', 0, 1, 0x78, 16, 7, 0x1b, 0, 0, 0, 0, 0x1b, 0x1b});
  // FDE
  file.put(0x2940, uint32_t{0x1c});
  file.put(0x2944, uint32_t{0x2944 - 0x2900});
  file.put(0x2948, int32_t{0x1300 - 0x2948});
  file.put(0x294c, uint32_t{0x40});
  file.put_bytes(0x2950, {4});
  file.put(0x2951, int32_t{0x2a00 - 0x2951});
  // LSDA: landing pads from the function's start, no types, call sites uleb128: (0, 4, 0x20, 0) and (4, 4, 0,
  // 0)
  file.put_bytes(0x2a00, {0xff, 0xff, 0x01, 8, 0, 4, 0x20, 0, 4, 4, 0, 0});
  EXPECT_EQ(file.segment().starts, (Offsets{0x10, 0x300}));
  EXPECT_EQ(file.segment().landings, Offsets{0x320});
}

TEST(RewriteElf, RefusesWhatIsNoProgram) {
  EXPECT_TRUE(code_segments({}).empty());
  for (const size_t at : {0, EI_CLASS, EI_DATA, 18 /* e_machine */, 54 /* e_phentsize */}) {
    File file;
    file.bytes[at] ^= std::byte{1};
    EXPECT_TRUE(code_segments(file.bytes).empty()) << at;
  }
  File past_end;
  past_end.put(sizeof(Elf64_Ehdr) + offsetof(Elf64_Phdr, p_filesz), uint64_t{0x2001});
  EXPECT_TRUE(code_segments(past_end.bytes).empty());
  past_end.put(sizeof(Elf64_Ehdr) + offsetof(Elf64_Phdr, p_filesz), ~uint64_t{0});
  EXPECT_TRUE(code_segments(past_end.bytes).empty());
}

TEST(RewriteElf, KnowsTheFunctionsOfLibc) {
  std::ifstream in("/lib/x86_64-linux-gnu/libc.so.6", std::ios::binary);
  const std::string content{std::istreambuf_iterator<char>(in), {}};
  if (content.empty()) GTEST_SKIP() << "no glibc here";
  const auto segments = code_segments(std::as_bytes(std::span(content)));
  ASSERT_EQ(segments.size(), 1U);
  EXPECT_GT(segments[0].starts.size(), 2000U);
  for (const char* name : {"getpid", "qsort", "open", "fork"}) {
    Dl_info info;
    link_map* map = nullptr;
    void* function = ::dlsym(RTLD_NEXT, name);
    ASSERT_NE(::dladdr1(function, &info, reinterpret_cast<void**>(&map), RTLD_DL_LINKMAP), 0);
    if (std::strstr(info.dli_fname, "libc.so.6") == nullptr) continue;  // a sanitizer's
    const uint64_t offset = reinterpret_cast<uint64_t>(function) - map->l_addr - segments[0].address;
    EXPECT_TRUE(std::binary_search(segments[0].starts.begin(), segments[0].starts.end(), offset)) << name;
  }
}

}  // namespace
}  // namespace sandstone::rewrite
