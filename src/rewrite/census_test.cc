// What share of real programs' `syscall` instructions is patched. Set SANDSTONE_CENSUS to more files, parted
// by colons.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

#include "rewrite/elf.h"
#include "rewrite/rewrite.h"
#include "rewrite/sound.h"

namespace sandstone::rewrite {
namespace {

struct Census {
  size_t forms[kForms] = {};
  size_t sites = 0;
  size_t trampolines = 0;  // bytes
  double read_ms = 0;
  double rewrite_ms = 0;
  const char* wrong = nullptr;

  [[nodiscard]] double percent(Form form) const {
    return 100.0 * static_cast<double>(forms[static_cast<size_t>(form)]) / static_cast<double>(sites);
  }
  [[nodiscard]] double patched() const { return 100.0 - percent(Form::none); }
};

std::vector<std::byte> read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  const std::string content{std::istreambuf_iterator<char>(in), {}};
  const auto bytes = std::as_bytes(std::span(content));
  return {bytes.begin(), bytes.end()};
}

Census count(const std::string& path) {
  using Clock = std::chrono::steady_clock;
  const auto since = [](Clock::time_point start) {
    return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
  };
  const std::vector<std::byte> file = read_file(path);
  Census census;
  auto start = Clock::now();
  const std::vector<CodeSegment> segments = code_segments(file);
  census.read_ms = since(start);
  for (const CodeSegment& segment : segments) {
    start = Clock::now();
    const Request request{.text = std::span(file).subspan(segment.file_offset, segment.size),
                          .address = segment.address,
                          .trampolines = 128 << 20,
                          .capacity = 4 << 20,
                          .entry = 0x7000'0000'0000,
                          .starts = segment.starts,
                          .landings = segment.landings};
    const Result result = rewrite(request);
    census.rewrite_ms += since(start);
    if (census.wrong == nullptr) census.wrong = what_is_unsound(request, result);
    census.trampolines += result.trampolines.size();
    for (const Site& site : result.sites) {
      ++census.forms[static_cast<size_t>(site.form)];
      ++census.sites;
      if (site.form == Form::none && std::getenv("SANDSTONE_CENSUS_NONE") != nullptr)
        std::printf("%s: %#lx traps\n", path.c_str(),
                    static_cast<unsigned long>(segment.address + site.offset));
    }
  }
  std::printf(
      "%-38s %4zu sites: imm7 %5.1f%% pre %5.1f%% post %5.1f%% rel8 %5.1f%% none %5.1f%%; %zu KiB; ms: file "
      "%.1f, text %.1f\n",
      path.c_str(), census.sites, census.percent(Form::imm7), census.percent(Form::pre),
      census.percent(Form::post), census.percent(Form::rel8), census.percent(Form::none),
      census.trampolines >> 10, census.read_ms, census.rewrite_ms);
  EXPECT_EQ(census.wrong, nullptr) << path << ": " << census.wrong;
  return census;
}

TEST(RewriteCensus, LibcIsPatchedNearlyWhole) {
  const Census libc = count("/lib/x86_64-linux-gnu/libc.so.6");
  EXPECT_GT(libc.sites, 400U);
  EXPECT_GE(libc.patched(), 98.0);
}

TEST(RewriteCensus, OtherPrograms) {
  EXPECT_GE(count("/lib64/ld-linux-x86-64.so.2").patched(), 90.0);
  for (const char* path : {"/bin/busybox", "/lib/ld-musl-x86_64.so.1"}) {
    if (std::ifstream(path).good()) {
      EXPECT_GE(count(path).patched(), 90.0) << path;
    }
  }
  const char* named = std::getenv("SANDSTONE_CENSUS");
  std::string more(named == nullptr ? std::string_view() : named);
  for (size_t end; !more.empty(); more.erase(0, end == std::string::npos ? end : end + 1)) {
    end = more.find(':');
    count(more.substr(0, end));
  }
}

}  // namespace
}  // namespace sandstone::rewrite
