// kill -9 at random moments of a process that writes: the journal recovers, and what had been synced is
// there.
#include <poll.h>
#include <signal.h>

#include <chrono>
#include <map>
#include <optional>
#include <set>
#include <sstream>

#include "crash_content.h"
#include "system.h"
#include "tree.h"

namespace sandstone {
namespace {

// What a file may be, as far as the writer has told.
struct Known {
  bool anything = false;
  std::set<uint64_t> versions{0};
};
using Files = std::map<std::string, Known>;

void hear(const std::string& line, Files& files) {
  std::istringstream words(line);
  std::string what;
  std::string name;
  uint64_t version = 0;
  words >> what >> name >> version;
  ASSERT_NE(what, "!") << line;
  Known& known = files[name];
  if (what == "~") {
    known.anything = true;
  } else if (what == "+") {
    known.versions.insert(version);
  } else if (what == "=") {
    known = {false, {version}};
  }
}

// Starts the writer, kills it some milliseconds after its first word, and hears it to the end.
void write_until_killed(const std::string& image, uint64_t version, std::chrono::milliseconds life,
                        Files& files) {
  int pipe[2];
  ASSERT_EQ(::pipe2(pipe, O_CLOEXEC), 0);
  const std::string program = std::filesystem::read_symlink("/proc/self/exe").parent_path() / "crash_writer";
  const std::string number = std::to_string(version);
  const pid_t child = ::fork();
  if (child == 0) {
    ::dup2(pipe[1], 1);
    ::execl(program.c_str(), program.c_str(), image.c_str(), number.c_str(), nullptr);
    ::_exit(127);
  }
  ::close(pipe[1]);
  std::string text;
  std::optional<std::chrono::steady_clock::time_point> end;
  bool killed = false;
  for (;;) {
    const auto now = std::chrono::steady_clock::now();
    if (end && now >= *end && !killed) {
      ::kill(child, SIGKILL);
      killed = true;
    }
    pollfd wait{pipe[0], POLLIN, 0};
    ::poll(&wait, 1,
           end && !killed ? static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(*end - now).count())
                          : -1);
    if ((wait.revents & (POLLIN | POLLHUP)) == 0) continue;
    char part[65536];
    const ssize_t got = ::read(pipe[0], part, sizeof part);
    if (got <= 0) break;
    text.append(part, static_cast<size_t>(got));
    if (!end) end = std::chrono::steady_clock::now() + life;
  }
  ::close(pipe[0]);
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  for (size_t at = 0, next = 0; (next = text.find('\n', at)) != std::string::npos; at = next + 1)
    hear(text.substr(at, next - at), files);
  ASSERT_TRUE(WIFSIGNALED(status)) << "it ended by itself: " << status << "\n"
                                   << text.substr(text.size() - std::min<size_t>(500, text.size()));
}

// What is there is what may be there; from now on it is known to be that.
void check(const System& inside, Files& files) {
  for (auto& [name, known] : files) {
    struct stat info{};
    const int64_t found = inside(SYS_stat, name.c_str(), &info);
    ASSERT_TRUE(found == 0 || found == -ENOENT) << name << ": " << found;
    uint64_t version = 0;
    if (found == 0) {
      std::string content(static_cast<size_t>(info.st_size), '\0');
      const int64_t fd = inside(SYS_open, name.c_str(), O_RDONLY);
      ASSERT_GE(fd, 0) << name;
      ASSERT_EQ(inside(SYS_pread64, fd, content.data(), content.size(), 0), info.st_size) << name;
      inside(SYS_close, fd);
      if (known.anything) continue;
      version = crash_version(content);
      ASSERT_TRUE(version != 0 && content == crash_content(version))
          << name << " holds what nobody wrote, of " << info.st_size;
    }
    if (known.anything) continue;
    ASSERT_TRUE(known.versions.contains(version))
        << name << " is version " << version << ", of " << known.versions.size()
        << " that it may be, the last " << *known.versions.rbegin();
    known.versions = {version};
  }
}

TEST(Crash, LeavesWhatWasSynced) {
  const int rounds = soak() ? 200 : 15;
  std::mt19937_64 random(test_seed());
  Scratch scratch;
  Files files;
  size_t synced = 0;
  for (int round = 0; round < rounds; ++round) {
    SCOPED_TRACE(round);
    const std::string image = scratch / ("image" + std::to_string(round / 10));
    if (round % 10 == 0) {
      make_ext4(image, 96);
      files.clear();
    }
    const auto life = std::chrono::milliseconds(random() % (round % 3 == 0 ? 30 : 400));
    write_until_killed(image, static_cast<uint64_t>(round + 1) << 32, life, files);
    if (::testing::Test::HasFatalFailure()) return;
    // Either of the two that recover journals.
    if (round % 2 == 0) {
      const Ran recovered = run({"e2fsck", round % 4 == 0 ? "-p" : "-fy", image});
      ASSERT_LE(recovered.status, 1) << recovered.output;
      expect_clean(image);
    }
    auto kernel = LibraryKernel::boot();
    ASSERT_TRUE(kernel.ok()) << kernel.error().line();
    auto disk = kernel->add_disk(image, SANDSTONE_DISK_PERSIST);
    ASSERT_TRUE(disk.ok()) << disk.error().line();
    ASSERT_EQ(kernel->mount_disk(*disk, "/disk"), 0) << kernel->console();
    check(System(kernel->first_task()), files);
    ASSERT_EQ(kernel->halt(), 0);
    expect_clean(image);
    if (::testing::Test::HasFailure()) return;
    for (const auto& [name, known] : files) synced += known.anything ? 0 : 1;
  }
  EXPECT_GT(synced, 0U);
}

}  // namespace
}  // namespace sandstone
