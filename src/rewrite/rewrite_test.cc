// Every form, from bytes put together by hand. Each is run too, with a dispatcher that never enters the
// kernel: it counts calls and answers 1000 more than the number.
#include "rewrite/rewrite.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include "rewrite/sound.h"

extern "C" uint64_t rewrite_test_calls;
extern "C" void rewrite_test_entry();
asm(R"(
  .text
  .type rewrite_test_entry, @function
rewrite_test_entry:
  incq rewrite_test_calls(%rip)
  add $1000, %rax
  xor %r11, %r11
  jmp *%rcx
)");
uint64_t rewrite_test_calls = 0;

namespace sandstone::rewrite {
namespace {

using Bytes = std::vector<std::byte>;

Bytes bytes(std::initializer_list<int> values) {
  Bytes made;
  for (const int value : values) made.push_back(static_cast<std::byte>(value));
  return made;
}

// A text whose first byte is a function's first, rewritten and mapped.
class Program {
 public:
  static constexpr size_t kDistance = 1 << 16;

  explicit Program(Bytes text, std::vector<uint64_t> more_starts = {}, std::vector<uint64_t> landings = {})
      : text_(std::move(text)), starts_(std::move(more_starts)), landings_(std::move(landings)) {
    starts_.push_back(0);
    request_ = {.text = text_,
                .trampolines = kDistance,
                .capacity = 4096,
                .entry = reinterpret_cast<uint64_t>(&rewrite_test_entry),
                .starts = starts_,
                .landings = landings_};
    result = rewrite(request_);
    EXPECT_EQ(what_is_unsound(request_, result), nullptr);
    map_ = static_cast<std::byte*>(::mmap(nullptr, 2 * kDistance, PROT_READ | PROT_WRITE | PROT_EXEC,
                                          MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    std::copy(result.text.begin(), result.text.end(), map_);
    std::copy(result.trampolines.begin(), result.trampolines.end(), map_ + kDistance);
  }
  ~Program() { ::munmap(map_, 2 * kDistance); }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  [[nodiscard]] Form form(size_t site = 0) const {
    return site < result.sites.size() ? result.sites[site].form : Form::none;
  }
  // Calls the function at the start of the text.
  int64_t run(const void* argument = nullptr) {
    rewrite_test_calls = 0;
    return reinterpret_cast<int64_t (*)(const void*)>(map_)(argument);
  }

  Result result;

 private:
  Bytes text_;
  std::vector<uint64_t> starts_, landings_;
  Request request_;
  std::byte* map_;
};

TEST(Rewrite, Imm7OverwritesTheMoveOnly) {
  Program program(bytes({0xb8, 39, 0, 0, 0, 0x0f, 0x05, 0xc3}));
  ASSERT_EQ(program.form(), Form::imm7);
  EXPECT_EQ(program.result.text[5], std::byte{0x0f});
  EXPECT_EQ(program.result.text[6], std::byte{0x05});
  EXPECT_EQ(program.run(), 1039);
  EXPECT_EQ(rewrite_test_calls, 1U);
}

TEST(Rewrite, PreMovesWhatComesBefore) {
  Program program(bytes({0x48, 0xc7, 0xc0, 39, 0, 0, 0, 0x0f, 0x05, 0xc3}));
  ASSERT_EQ(program.form(), Form::pre);
  EXPECT_EQ(program.run(), 1039);
  EXPECT_EQ(rewrite_test_calls, 1U);
}

TEST(Rewrite, PreMovesARegisterOnlyRun) {
  // xor %esi,%esi; mov %edi,%edi; push $7; pop %rax would touch memory: lea 7(%rsi),%eax instead
  Program program(bytes({0x31, 0xf6, 0x8d, 0x46, 0x07, 0x0f, 0x05, 0xc3}));
  ASSERT_EQ(program.form(), Form::pre);
  EXPECT_EQ(program.run(), 1007);
}

TEST(Rewrite, PreKeepsDistancesFromRip) {
  // mov 4(%rip),%eax; syscall; ret; nop; .long 77
  Program program(bytes({0x8b, 0x05, 4, 0, 0, 0, 0x0f, 0x05, 0xc3, 0x90, 77, 0, 0, 0}));
  ASSERT_EQ(program.form(), Form::pre);
  EXPECT_EQ(program.run(), 1077);
}

TEST(Rewrite, PreMovesAConditionalJump) {
  // xor %esi,%esi; test %rdi,%rdi; jne 1f; syscall; 1: lea 5(%rax),%rax; ret -- with rax = 0 from what is
  // before
  const Bytes text =
      bytes({0x31, 0xc0, 0x48, 0x85, 0xff, 0x75, 0x02, 0x0f, 0x05, 0x48, 0x8d, 0x40, 0x05, 0xc3});
  Program program(text);
  ASSERT_EQ(program.form(), Form::pre);
  EXPECT_EQ(program.run(nullptr), 1005);
  EXPECT_EQ(program.run(&text), 5);
  EXPECT_EQ(rewrite_test_calls, 0U);
}

TEST(Rewrite, PostMovesWhatFollows) {
  // xor %eax,%eax; syscall; cmp $-4096,%rax; ja 1f; ret; 1: or $-1,%eax; ret
  Program program(bytes(
      {0x31, 0xc0, 0x0f, 0x05, 0x48, 0x3d, 0, 0xf0, 0xff, 0xff, 0x77, 1, 0xc3, 0x83, 0xc8, 0xff, 0xc3}));
  ASSERT_EQ(program.form(), Form::post);
  EXPECT_EQ(program.run(), 1000);
}

TEST(Rewrite, PostReencodesAConditionalJump) {
  // xor %eax,%eax; syscall; test %eax,%eax; js 1f; jne 2f; ret; 1: nop; nop; ret; 2: lea 1(%rax),%eax; ret
  Program program(bytes(
      {0x31, 0xc0, 0x0f, 0x05, 0x85, 0xc0, 0x78, 3, 0x75, 4, 0xc3, 0x90, 0x90, 0xc3, 0x8d, 0x40, 1, 0xc3}));
  ASSERT_EQ(program.form(), Form::post);
  EXPECT_EQ(program.run(), 1001);
}

TEST(Rewrite, PostTakesPaddingAfterTheEnd) {
  Program program(bytes({0x31, 0xc0, 0x0f, 0x05, 0xc3, 0x90, 0x90, 0x90}));
  ASSERT_EQ(program.form(), Form::post);
  EXPECT_EQ(program.run(), 1000);
}

TEST(Rewrite, PostReturnsToASyscallLessTwo) {
  Program program(bytes({0x31, 0xc0, 0x0f, 0x05, 0xc3, 0x90, 0x90, 0x90}));
  ASSERT_EQ(program.form(), Form::post);
  const auto back = program.result.displaced.front();
  EXPECT_EQ(back.original, 4);
  const auto offset = static_cast<size_t>(back.now) - Program::kDistance;
  EXPECT_EQ(program.result.trampolines[offset - 2], std::byte{0x0f});
  EXPECT_EQ(program.result.trampolines[offset - 1], std::byte{0x05});
}

// xor %eax,%eax; syscall; mov (%rdi),%edx; ret; then padding.
Bytes read_like(std::initializer_list<int> padding) {
  Bytes text = bytes({0x31, 0xc0, 0x0f, 0x05, 0x8b, 0x17, 0xc3});
  const Bytes more = bytes(padding);
  text.insert(text.end(), more.begin(), more.end());
  return text;
}

TEST(Rewrite, Rel8GoesByAnIsland) {
  const int word = 0;
  for (const int pad : {0x90, 0xcc}) {
    Program program(read_like({pad, pad, pad, pad, pad, 0xc3}), {12});
    ASSERT_EQ(program.form(), Form::rel8);
    EXPECT_EQ(program.result.sites[0].island, 7U);
    EXPECT_EQ(program.run(&word), 1000);
    EXPECT_EQ(program.result.original(7), 2);
  }
}

TEST(Rewrite, Rel8TakesNoBytesThatRun) {
  // The same, but the padding is jumped to, belongs to a function, is too short, or is fallen into.
  EXPECT_EQ(Program(read_like({0x90, 0x90, 0x90, 0x90, 0x90, 0xc3}), {}, {9}).form(), Form::none);
  EXPECT_EQ(Program(read_like({0x90, 0x90, 0x90, 0x90, 0x90, 0xc3}), {8}).form(), Form::none);
  EXPECT_EQ(Program(read_like({0x90, 0x90, 0x90, 0x90, 0xc3})).form(), Form::none);
  EXPECT_EQ(Program(bytes({0x31, 0xc0, 0x0f, 0x05, 0x8b, 0x17, 0x90, 0x90, 0x90, 0x90, 0x90, 0xc3})).form(),
            Form::none);
}

TEST(Rewrite, JumpsIntoTheMiddleAreHeeded) {
  const Bytes plain = bytes({0xb8, 39, 0, 0, 0, 0x0f, 0x05, 0x8b, 0x17, 0xc3});
  EXPECT_EQ(Program(plain).form(), Form::imm7);
  EXPECT_EQ(Program(plain, {}, {3}).form(), Form::none);
  Bytes near = plain;  // jmp -8
  for (const std::byte byte : bytes({0xeb, 0x100 - 10})) near.push_back(byte);
  EXPECT_EQ(Program(near).form(), Form::none);
  Bytes far = plain;  // a jump that lies in an instruction of another one: mov $..e9 rel32
  for (const std::byte byte : bytes({0xb8, 0xe9, 0xf2, 0xff, 0xff, 0xff, 0xc3})) far.push_back(byte);
  EXPECT_EQ(Program(far).form(), Form::none);
}

TEST(Rewrite, ASyscallThatIsJumpedToIsPatchedItself) {
  // mov $39,%eax; 1: syscall; cmp $-4,%rax; je 1b; ret
  Program program(bytes({0xb8, 39, 0, 0, 0, 0x0f, 0x05, 0x48, 0x83, 0xf8, 0xfc, 0x74, 0xf8, 0xc3}));
  EXPECT_EQ(program.form(), Form::post);
  EXPECT_EQ(program.run(), 1039);
}

TEST(Rewrite, SignalReturnsAreLeftAlone) {
  EXPECT_EQ(Program(bytes({0x48, 0xc7, 0xc0, 15, 0, 0, 0, 0x0f, 0x05, 0xc3})).form(), Form::none);
  EXPECT_EQ(Program(bytes({0xb8, 15, 0, 0, 0, 0x0f, 0x05, 0xc3})).form(), Form::none);
  EXPECT_EQ(Program(bytes({0xb8, 15, 0, 0, 0, 0x31, 0xff, 0x0f, 0x05, 0xc3})).form(), Form::none);
}

TEST(Rewrite, WhatIsNoInstructionIsNoSite) {
  // mov $0x050f,%eax; ret
  Program program(bytes({0xb8, 0x0f, 0x05, 0, 0, 0xc3}));
  EXPECT_TRUE(program.result.sites.empty());
}

TEST(Rewrite, DataIsLeftAlone) {
  Bytes text(4096);
  uint32_t state = 1;
  for (std::byte& byte : text) byte = static_cast<std::byte>((state = state * 1664525 + 1013904223) >> 24);
  for (size_t i = 500; i < 4000; i += 300) {
    text[i] = std::byte{0x0f};
    text[i + 1] = std::byte{0x05};
  }
  for (const Site& site : Program(text).result.sites) EXPECT_EQ(site.form, Form::none) << site.offset;
}

TEST(Rewrite, TranslatesThereAndBack) {
  // xor %esi,%esi; lea 7(%rsi),%eax; syscall; ret
  const Program program(bytes({0x31, 0xf6, 0x8d, 0x46, 0x07, 0x0f, 0x05, 0xc3}));
  const auto base = static_cast<int32_t>(Program::kDistance + program.result.sites[0].trampoline);
  EXPECT_EQ(program.result.original(base), 0);
  EXPECT_EQ(program.result.original(base + 1), std::nullopt);
  EXPECT_EQ(program.result.original(base + 2), 2);
  EXPECT_EQ(program.result.original(base + 5), 5);      // lea return,%rcx
  EXPECT_EQ(program.result.original(base + 5 + 7), 5);  // jmp *entry
  EXPECT_EQ(program.result.resume(0), 0);
  EXPECT_EQ(program.result.resume(2), base + 2);
  EXPECT_EQ(program.result.resume(5), 5);
  EXPECT_EQ(program.result.resume(7), 7);
}

TEST(Rewrite, NeedsRoomAndReach) {
  const Bytes text = bytes({0xb8, 39, 0, 0, 0, 0x0f, 0x05, 0xc3});
  const uint64_t starts[] = {0};
  const auto patched = [&](int64_t trampolines, size_t capacity) {
    const Result result = rewrite(
        {.text = text, .trampolines = trampolines, .capacity = capacity, .entry = 1, .starts = starts});
    return !result.sites.empty() && result.sites[0].form != Form::none;
  };
  EXPECT_TRUE(patched(64, 64));
  EXPECT_TRUE(patched(-64, 64));
  EXPECT_TRUE(patched(int64_t{1} << 30, 64));
  EXPECT_FALSE(patched(64, 31));
  EXPECT_FALSE(patched(64, 40));
  EXPECT_FALSE(patched(-63, 64));
  EXPECT_FALSE(patched(4, 64));
  EXPECT_FALSE(patched(int64_t{3} << 30, 64));
  EXPECT_FALSE(patched(INT64_MIN, SIZE_MAX));
}

TEST(Rewrite, TakesNothing) {
  EXPECT_TRUE(rewrite({}).text.empty());
  const Bytes half = bytes({0x0f});
  EXPECT_EQ(rewrite({.text = half, .trampolines = 64, .capacity = 64}).text, half);
}

}  // namespace
}  // namespace sandstone::rewrite
