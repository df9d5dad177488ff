// Programs without a dynamic linker, rewritten on disk: the patched text in its place, and the trampolines
// with a dispatcher in a segment of their own. That dispatcher makes the real calls, but answers getpid()
// itself.
#include <elf.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "rewrite/elf.h"
#include "rewrite/rewrite.h"

extern "C" const std::byte rewrite_static_entry[];
extern "C" const std::byte rewrite_static_end[];
asm(R"(
  .text
rewrite_static_entry:
  cmp $39, %eax   # getpid
  je 2f
  cmp $56, %eax   # clone
  je 1f
  cmp $57, %eax   # fork
  je 1f
  cmp $58, %eax   # vfork
  je 1f
  cmp $435, %eax  # clone3
  je 1f
  lea -128(%rsp), %rsp
  push %rcx
  syscall
  pop %rcx
  lea 128(%rsp), %rsp
  jmp *%rcx
1:
  sub $2, %rcx
  jmp *%rcx
2:
  mov $4242, %eax
  jmp *%rcx
rewrite_static_end:
)");

namespace sandstone::rewrite {
namespace {

constexpr uint64_t kPage = 4096;
constexpr uint64_t kRoom = 1 << 20;

uint64_t page_after(uint64_t at) {
  return (at + kPage - 1) / kPage * kPage;
}

// The patched program; empty if it is not a static program at a fixed address with a note, whose header the
// new segment takes.
std::string patched_program(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::string file{std::istreambuf_iterator<char>(in), {}};
  const std::vector<CodeSegment> code = code_segments(std::as_bytes(std::span(file)));
  if (code.size() != 1) return {};
  Elf64_Ehdr header;
  std::memcpy(&header, file.data(), sizeof header);
  if (header.e_type != ET_EXEC) return {};

  uint64_t end = 0;
  size_t note = 0;
  for (size_t i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr segment;
    std::memcpy(&segment, &file[header.e_phoff + i * sizeof segment], sizeof segment);
    if (segment.p_type == PT_LOAD) end = std::max(end, segment.p_vaddr + segment.p_memsz);
    if (segment.p_type == PT_NOTE) note = header.e_phoff + i * sizeof segment;
  }
  if (note == 0) return {};
  const uint64_t address = page_after(end);
  const std::string original = file.substr(code[0].file_offset, code[0].size);
  const Result result = rewrite({.text = std::as_bytes(std::span(original)),
                                 .address = code[0].address,
                                 .trampolines = static_cast<int64_t>(address + kPage - code[0].address),
                                 .capacity = kRoom,
                                 .entry = address,
                                 .starts = code[0].starts,
                                 .landings = code[0].landings});
  std::memcpy(&file[code[0].file_offset], result.text.data(), result.text.size());
  const Elf64_Phdr added{.p_type = PT_LOAD,
                         .p_flags = PF_R | PF_X,
                         .p_offset = page_after(file.size()),
                         .p_vaddr = address,
                         .p_paddr = address,
                         .p_filesz = kPage + result.trampolines.size(),
                         .p_memsz = kPage + result.trampolines.size(),
                         .p_align = kPage};
  std::memcpy(&file[note], &added, sizeof added);
  file.resize(added.p_offset + added.p_filesz);
  std::memcpy(&file[added.p_offset], rewrite_static_entry,
              static_cast<size_t>(rewrite_static_end - rewrite_static_entry));
  std::memcpy(&file[added.p_offset + kPage], result.trampolines.data(), result.trampolines.size());
  return file;
}

std::string output_of(const std::string& command) {
  std::FILE* pipe = ::popen(command.c_str(), "r");
  std::string output;
  for (int c; (c = std::fgetc(pipe)) != EOF;) output += static_cast<char>(c);
  const int status = ::pclose(pipe);
  return output + (status == 0 ? "" : "(failed)");
}

class RewriteStatic : public testing::Test {
 protected:
  RewriteStatic() { EXPECT_NE(::mkdtemp(folder_.data()), nullptr); }
  ~RewriteStatic() override { std::filesystem::remove_all(folder_); }

  // Empty if there is no such program here.
  std::string patch(const std::string& path) {
    const std::string program = patched_program(path);
    if (program.empty()) return {};
    const std::string patched = folder_ + "/" + std::filesystem::path(path).filename().string();
    std::ofstream(patched, std::ios::binary) << program;
    ::chmod(patched.c_str(), 0700);
    return patched;
  }

 private:
  std::string folder_ = "/tmp/rewrite-XXXXXX";
};

TEST_F(RewriteStatic, Busybox) {
  const std::string busybox = patch("/bin/busybox");
  if (busybox.empty()) GTEST_SKIP() << "no static busybox here";
  EXPECT_EQ(output_of(busybox + " sh -c 'echo $$'"), "4242\n");
  EXPECT_EQ(output_of(busybox + " sh -c 'for i in 1 2 3; do (echo $i; exit $i) || echo $?; done | " +
                      busybox + " sort -r'"),
            "3\n3\n2\n2\n1\n1\n");
  EXPECT_EQ(output_of(busybox + " find /bin/busybox; " + busybox + " sh -c '" + busybox +
                      " sleep 5 & kill $!; wait $!; echo $?'"),
            "/bin/busybox\n143\n");
  EXPECT_EQ(output_of(busybox + " seq 20000 | " + busybox + " gzip | " + busybox + " gunzip | " + busybox +
                      " md5sum"),
            output_of("seq 20000 | md5sum"));
}

// What has neither a symbol table for C nor frames for Go; set SANDSTONE_GO_PROGRAM to one that prints its
// version.
TEST_F(RewriteStatic, Go) {
  const char* named = std::getenv("SANDSTONE_GO_PROGRAM");
  const std::string path(named == nullptr ? std::string_view() : named);
  const std::string program = patch(path);
  if (program.empty()) GTEST_SKIP() << "no static Go program named";
  EXPECT_EQ(output_of(program + " --version"), output_of(path + " --version"));
  EXPECT_EQ(output_of(program + " --help"), output_of(path + " --help"));
}

}  // namespace
}  // namespace sandstone::rewrite
