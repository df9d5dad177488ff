// Sixteen threads of random operations on files, each checked against a model in memory: ext4 and tmpfs.
#include <linux/falloc.h>
#include <sys/uio.h>

#include <atomic>
#include <thread>

#include "booted.h"
#include "system.h"

namespace sandstone {
namespace {

constexpr size_t largest = 300'000;
constexpr unsigned names = 4;

// One thread's files, and what they must hold.
class Fsx {
 public:
  Fsx(sandstone_task* task, std::string folder, bool ext4, uint64_t seed)
      : system_(task),
        folder_(std::move(folder)),
        ext4_(ext4),
        random_(static_cast<uint32_t>(seed)),
        buffer_(2 * largest, '\0') {
    must(system_(SYS_mkdir, folder_.c_str(), 0755), "mkdir");
  }

  // Until the time is over or something is wrong, which `failure` tells.
  void work(const std::atomic<bool>& stop) {
    while (!stop && failure.empty()) {
      step();
      ++steps;
    }
    for (unsigned i = 0; i < names && failure.empty(); ++i)
      if (exists_[i]) check_whole(i);
  }

  std::string failure;  // for others once `failed` is set
  std::atomic<bool> failed{false};
  uint64_t steps = 0;

 private:
  size_t below(size_t limit) { return limit == 0 ? 0 : random_() % limit; }
  std::string path(unsigned name) const { return folder_ + "/f" + std::to_string(name); }

  bool must(int64_t result, const std::string& what) {
    if (result >= 0) return true;
    fail(what + ": " + std::strerror(static_cast<int>(-result)));
    return false;
  }
  void fail(const std::string& what) {
    if (!failure.empty()) return;
    failure = folder_ + " step " + std::to_string(steps) + ": " + what + " (before: " + history() + ")";
    failed = true;
  }
  std::string history() const {
    std::string text;
    for (const std::string& one : last_) text += one + "; ";
    return text;
  }
  void note(const std::string& what) {
    last_.push_back(what);
    if (last_.size() > 12) last_.erase(last_.begin());
  }

  int64_t open(unsigned name, int flags) {
    const int64_t fd = system_(SYS_open, path(name).c_str(), flags | O_CREAT | O_CLOEXEC, 0644);
    must(fd, "open");
    if (fd >= 0 && !exists_[name]) {
      exists_[name] = true;
      model_[name].clear();
    }
    return fd;
  }
  void close(int64_t fd) { must(system_(SYS_close, fd), "close"); }

  void fill(size_t size) {
    const char first = static_cast<char>('a' + random_() % 26);
    for (size_t i = 0; i < size; ++i) buffer_[i] = static_cast<char>(first + i % 89);
  }
  void put(std::string& file, size_t at, size_t size) {
    if (file.size() < at + size) file.resize(at + size, '\0');
    std::memcpy(file.data() + at, buffer_.data(), size);
  }
  void compare(const std::string& file, size_t at, int64_t got, size_t asked, const char* what) {
    const size_t wanted = at >= file.size() ? 0 : std::min(asked, file.size() - at);
    if (got != static_cast<int64_t>(wanted))
      return fail(std::string(what) + " of " + std::to_string(asked) + " at " + std::to_string(at) +
                  " gave " + std::to_string(got) + ", not " + std::to_string(wanted));
    for (size_t i = 0; i < wanted; ++i)
      if (buffer_[i] != file[at + i])
        return fail(std::string(what) + " at " + std::to_string(at) + ": byte " + std::to_string(at + i) +
                    " of " + std::to_string(file.size()) + " is " + std::to_string(buffer_[i]) + ", not " +
                    std::to_string(file[at + i]));
  }
  void check_whole(unsigned name) {
    struct stat info{};
    if (!must(system_(SYS_stat, path(name).c_str(), &info), "stat")) return;
    if (info.st_size != static_cast<off_t>(model_[name].size()))
      return fail("size is " + std::to_string(info.st_size) + ", not " + std::to_string(model_[name].size()));
    const int64_t fd = open(name, O_RDONLY);
    if (fd < 0) return;
    const int64_t got = system_(SYS_pread64, fd, buffer_.data(), largest + 1, 0);
    compare(model_[name], 0, got, largest + 1, "pread of all");
    close(fd);
  }

  void step() {
    const auto name = static_cast<unsigned>(below(names));
    std::string& file = model_[name];
    const size_t at = below(largest);
    const size_t size = 1 + below(std::min<size_t>(largest - at, random_() % 3 == 0 ? 100'000 : 5'000));
    const size_t what = below(20);
    note(std::to_string(what) + " f" + std::to_string(name) + " " + std::to_string(at) + "+" +
         std::to_string(size));
    switch (what) {
      case 0:
      case 1:
        return pwrite(name, file, at, size);
      case 2:
      case 3:
      case 4:
        return pread(name, file, at, size);
      case 5:
        return append(name, file, size);
      case 6:
        return by_position(name, file, at, size);
      case 7:
        return vectors(name, file, at, size);
      case 8:
        return truncate(name, file, at);
      case 9:
      case 10:
        return allocate(name, file, at, size);
      case 11:
        return move(name);
      case 12:
        return remove(name);
      case 13:
      case 14:
        return copy_range(name, at, size);
      case 15:
        return seek(name, file, at);
      case 16: {
        const int64_t fd = open(name, O_RDWR);
        if (fd < 0) return;
        must(system_(random_() % 2 == 0 ? SYS_fsync : SYS_fdatasync, fd), "fsync");
        return close(fd);
      }
      case 17:
        if (exists_[name]) check_whole(name);
        return;
      case 18:
        return keep_unlinked(name, file, size);
      default:
        return direct_or_hints(name, file, at, size);
    }
  }

  void pwrite(unsigned name, std::string& file, size_t at, size_t size) {
    const int64_t fd = open(name, O_RDWR | (random_() % 20 == 0 ? O_SYNC : 0));
    if (fd < 0) return;
    fill(size);
    const int64_t wrote = system_(SYS_pwrite64, fd, buffer_.data(), size, at);
    if (wrote != static_cast<int64_t>(size)) return fail("pwrite gave " + std::to_string(wrote));
    put(file, at, size);
    close(fd);
  }
  void pread(unsigned name, std::string& file, size_t at, size_t size) {
    const int64_t fd = open(name, O_RDONLY);
    if (fd < 0) return;
    compare(file, at, system_(SYS_pread64, fd, buffer_.data(), size, at), size, "pread");
    close(fd);
  }
  void append(unsigned name, std::string& file, size_t size) {
    if (file.size() + size > largest) return;
    const int64_t fd = open(name, O_WRONLY | O_APPEND);
    if (fd < 0) return;
    fill(size);
    if (system_(SYS_write, fd, buffer_.data(), size) != static_cast<int64_t>(size)) return fail("append");
    put(file, file.size(), size);
    if (system_(SYS_lseek, fd, 0, SEEK_CUR) != static_cast<int64_t>(file.size()))
      return fail("position after append");
    close(fd);
  }
  void by_position(unsigned name, std::string& file, size_t at, size_t size) {
    const int64_t fd = open(name, O_RDWR);
    if (fd < 0) return;
    if (system_(SYS_lseek, fd, at, SEEK_SET) != static_cast<int64_t>(at)) return fail("lseek");
    compare(file, at, system_(SYS_read, fd, buffer_.data(), size), size, "read");
    if (system_(SYS_lseek, fd, at, SEEK_SET) != static_cast<int64_t>(at)) return fail("lseek");
    fill(size);
    if (system_(SYS_write, fd, buffer_.data(), size) != static_cast<int64_t>(size)) return fail("write");
    put(file, at, size);
    close(fd);
  }
  void vectors(unsigned name, std::string& file, size_t at, size_t size) {
    const int64_t fd = open(name, O_RDWR);
    if (fd < 0) return;
    std::vector<iovec> parts;
    for (size_t done = 0; done < size;) {
      const size_t part = std::min(size - done, below(3'000));
      parts.push_back({buffer_.data() + done, part});
      done += part;
      if (parts.size() == 1000) size = done;
    }
    fill(size);
    if (system_(SYS_pwritev, fd, parts.data(), parts.size(), at, 0) != static_cast<int64_t>(size))
      return fail("pwritev");
    put(file, at, size);
    std::fill(buffer_.begin(), buffer_.end(), '?');
    compare(file, at, system_(SYS_preadv, fd, parts.data(), parts.size(), at, 0), size, "preadv");
    close(fd);
  }
  void truncate(unsigned name, std::string& file, size_t size) {
    const bool cut = random_() % 8 == 0;
    const int64_t fd = open(name, O_RDWR | (cut ? O_TRUNC : 0));
    if (fd < 0) return;
    if (cut) file.clear();
    if (!must(system_(SYS_ftruncate, fd, size), "ftruncate")) return;
    file.resize(size, '\0');
    close(fd);
    check_whole(name);
  }
  void allocate(unsigned name, std::string& file, size_t at, size_t size) {
    const int64_t fd = open(name, O_RDWR);
    if (fd < 0) return;
    const size_t block = 4096;
    const size_t end = at + size;
    switch (random_() % (ext4_ ? 6 : 3)) {
      case 0:
        if (must(system_(SYS_fallocate, fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at, size), "punch"))
          for (size_t i = at; i < std::min(end, file.size()); ++i) file[i] = '\0';
        break;
      case 1:
        if (must(system_(SYS_fallocate, fd, 0, at, size), "fallocate") && file.size() < end)
          file.resize(end, '\0');
        break;
      case 2:
        must(system_(SYS_fallocate, fd, FALLOC_FL_KEEP_SIZE, at, size), "fallocate, size kept");
        break;
      case 3:
        if (!must(system_(SYS_fallocate, fd, FALLOC_FL_ZERO_RANGE, at, size), "zero range")) break;
        if (file.size() < end) file.resize(end, '\0');
        for (size_t i = at; i < end; ++i) file[i] = '\0';
        break;
      case 4: {
        const size_t from = at / block * block;
        const size_t length = (size / block + 1) * block;
        const int64_t result = system_(SYS_fallocate, fd, FALLOC_FL_COLLAPSE_RANGE, from, length);
        if (from + length >= file.size()) {
          if (result != -EINVAL) fail("collapse past the end gave " + std::to_string(result));
        } else if (must(result, "collapse")) {
          file.erase(from, length);
        }
        break;
      }
      default: {
        const size_t from = at / block * block;
        const size_t length = (size / block + 1) * block;
        if (file.size() + length > largest) break;
        const int64_t result = system_(SYS_fallocate, fd, FALLOC_FL_INSERT_RANGE, from, length);
        if (from >= file.size()) {
          if (result != -EINVAL) fail("insert past the end gave " + std::to_string(result));
        } else if (must(result, "insert")) {
          file.insert(from, length, '\0');
        }
      }
    }
    close(fd);
  }
  void move(unsigned name) {
    const auto to = static_cast<unsigned>(below(names));
    const int64_t result = system_(SYS_rename, path(name).c_str(), path(to).c_str());
    if (!exists_[name]) {
      if (result != -ENOENT) fail("rename of nothing gave " + std::to_string(result));
      return;
    }
    if (!must(result, "rename") || to == name) return;
    model_[to] = std::move(model_[name]);
    exists_[to] = true;
    exists_[name] = false;
    model_[name].clear();
  }
  void remove(unsigned name) {
    const int64_t result = system_(SYS_unlink, path(name).c_str());
    if (result != (exists_[name] ? 0 : -ENOENT)) return fail("unlink gave " + std::to_string(result));
    exists_[name] = false;
    model_[name].clear();
  }
  void copy_range(unsigned name, size_t at, size_t size) {
    const auto to = static_cast<unsigned>(below(names));
    if (to == name) return;
    const int64_t in = open(name, O_RDONLY);
    const int64_t out = open(to, O_RDWR);
    if (in < 0 || out < 0) return;
    int64_t from_at = static_cast<int64_t>(at);
    const size_t out_start = below(largest - size);
    int64_t out_at = static_cast<int64_t>(out_start);
    const std::string& source = model_[name];
    const size_t wanted = at >= source.size() ? 0 : std::min(size, source.size() - at);
    size_t copied = 0;
    while (copied < wanted) {
      const int64_t got = system_(SYS_copy_file_range, in, &from_at, out, &out_at, wanted - copied, 0);
      if (got <= 0 || got > static_cast<int64_t>(wanted - copied))
        return fail("copy_file_range gave " + std::to_string(got));
      copied += static_cast<size_t>(got);
    }
    if (wanted > 0) {
      std::memcpy(buffer_.data(), source.data() + at, wanted);
      put(model_[to], out_start, wanted);
    }
    close(in);
    close(out);
    check_whole(to);
  }
  void seek(unsigned name, const std::string& file, size_t at) {
    const int64_t fd = open(name, O_RDONLY);
    if (fd < 0) return;
    const int64_t data = system_(SYS_lseek, fd, at, SEEK_DATA);
    const int64_t hole = system_(SYS_lseek, fd, at, SEEK_HOLE);
    if (at >= file.size()) {
      if (data != -ENXIO || hole != -ENXIO) fail("seek past the end gave " + std::to_string(data));
    } else {
      // What lies before the data is a hole, and holes hold zeros; a hole ends at the end at the latest.
      const size_t end = data == -ENXIO ? file.size() : static_cast<size_t>(data);
      if (data < 0 && data != -ENXIO) fail("SEEK_DATA gave " + std::to_string(data));
      for (size_t i = at; i < std::min(end, file.size()); ++i)
        if (file[i] != '\0')
          return fail("SEEK_DATA from " + std::to_string(at) + " passed over data at " + std::to_string(i));
      if (hole < static_cast<int64_t>(at) || hole > static_cast<int64_t>(file.size()))
        fail("SEEK_HOLE from " + std::to_string(at) + " gave " + std::to_string(hole));
    }
    close(fd);
  }
  // A file that has no name any more lives until it is closed.
  void keep_unlinked(unsigned name, std::string& file, size_t size) {
    if (!exists_[name]) return;
    const int64_t fd = open(name, O_RDWR);
    if (fd < 0 || !must(system_(SYS_unlink, path(name).c_str()), "unlink")) return;
    fill(size);
    if (system_(SYS_pwrite64, fd, buffer_.data(), size, 0) != static_cast<int64_t>(size))
      return fail("write unlinked");
    put(file, 0, size);
    compare(file, 0, system_(SYS_pread64, fd, buffer_.data(), largest + 1, 0), largest + 1, "read unlinked");
    close(fd);
    exists_[name] = false;
    file.clear();
  }
  void direct_or_hints(unsigned name, std::string& file, size_t at, size_t size) {
    const int64_t fd = open(name, O_RDWR);
    if (fd < 0) return;
    if (random_() % 2 == 0) {
      must(-system_(SYS_fadvise64, fd, 0, 0, 4 /* POSIX_FADV_DONTNEED */), "fadvise");
    } else {
      must(system_(SYS_sync_file_range, fd, at, size, 7), "sync_file_range");
    }
    compare(file, at, system_(SYS_pread64, fd, buffer_.data(), size, at), size, "pread after dropping");
    close(fd);
  }

  System system_;
  std::string folder_;
  bool ext4_;
  std::minstd_rand random_;
  std::string buffer_;
  std::string model_[names];
  bool exists_[names] = {};
  std::vector<std::string> last_;
};

class Files : public BootedKernel {
 protected:
  struct Place {
    std::string folder;
    bool ext4;  // and so has all of fallocate's modes
  };
  // A thread and a task for each place.
  void run_all(const std::vector<Place>& places, int seconds) {
    std::atomic<bool> stop{false};
    std::vector<KernelTask> tasks;
    std::vector<std::unique_ptr<Fsx>> all;
    std::vector<std::thread> threads;
    for (size_t i = 0; i < places.size(); ++i) {
      tasks.push_back(child(i % 4 == 0 ? SIGCHLD : CLONE_FS | SIGCHLD));
      all.push_back(std::make_unique<Fsx>(tasks[i].get(), places[i].folder, places[i].ext4, test_seed() + i));
    }
    for (auto& one : all) threads.emplace_back([&] { one->work(stop); });
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
    while (!stop && std::chrono::steady_clock::now() < end) {
      std::this_thread::sleep_for(std::chrono::milliseconds(200));
      must(SYS_sync);
      for (auto& one : all)
        if (one->failed) stop = true;
    }
    stop = true;
    for (auto& thread : threads) thread.join();
    uint64_t steps = 0;
    for (auto& one : all) {
      EXPECT_EQ(one->failure, "");
      EXPECT_GT(one->steps, 0U);
      steps += one->steps;
    }
    std::fprintf(stderr, "%llu steps\n", static_cast<unsigned long long>(steps));
  }
};

TEST_F(Files, HoldWhatTheModelHolds) {
  Scratch scratch;
  const std::string image = scratch / "image";
  make_ext4(image, 128);
  auto disk = kernel().add_disk(image, SANDSTONE_DISK_PERSIST);
  ASSERT_TRUE(disk.ok()) << disk.error().line();
  ASSERT_EQ(kernel().mount_disk(*disk, "/disk"), 0);
  must(SYS_mkdir, "/memory", 0755);
  must(SYS_mount, "memory", "/memory", "tmpfs", 0, nullptr);
  std::vector<Place> places;
  for (unsigned i = 0; i < 16; ++i)
    places.push_back({(i % 2 == 0 ? "/disk/t" : "/memory/t") + std::to_string(i), i % 2 == 0});
  run_all(places, soak() ? 600 : 15);
  EXPECT_EQ(kernel_->halt(), 0);
  kernel_.reset();
  expect_clean(image);
}

TEST_F(Files, OfAHostFolderHoldIt) {
  Scratch scratch;
  auto added = kernel().add_folder(scratch.path(), "shared");
  ASSERT_TRUE(added.ok()) << added.error().line();
  must(SYS_mkdir, "/shared", 0755);
  must(SYS_mount, "shared", "/shared", "virtiofs", 0, nullptr);
  std::vector<Place> places;
  for (unsigned i = 0; i < 4; ++i) places.push_back({"/shared/t" + std::to_string(i), false});
  run_all(places, soak() ? 120 : 5);
}

}  // namespace
}  // namespace sandstone
