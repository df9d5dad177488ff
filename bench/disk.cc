// Sequential throughput of the virtual disk, against the same file read and written directly: what a guest
// could reach at most. Both run in one thread and count its CPU time, which other programs on the machine
// change less; all is in the page cache, so nothing waits for a disk.
//
//   disk [FOLDER [MIB]]      one line for each way: MiB/s, and the ratio to the file's own
#include <fcntl.h>
#include <fmt/format.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include "devices/block.h"
#include "devices/driver_model.h"
#include "devices/image.h"

using namespace sandstone;
using namespace sandstone::devices;

namespace {

constexpr uint32_t kPage = 4096;
constexpr uint32_t kPages = 128;  // in a request: 512 KiB
constexpr uint32_t kRequest = kPage * kPages;
constexpr uint32_t kInFlight = 8;
constexpr size_t kRuns = 5;

[[noreturn]] void die(const std::string& what) {
  fmt::print(stderr, "disk: {}\n", what);
  std::exit(1);
}

double cpu_now() {
  timespec now{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

double seconds(const std::function<void()>& work) {
  const double start = cpu_now();
  work();
  return cpu_now() - start;
}

// The file's own speed, through as many buffers as the disk has.
void direct(int file, uint64_t bytes, bool write, const TestMemory& buffers) {
  for (uint64_t at = 0; at < bytes; at += kRequest) {
    std::byte* buffer = buffers.at(at / kRequest % kInFlight * kRequest);
    const ssize_t done = write ? ::pwrite(file, buffer, kRequest, static_cast<off_t>(at))
                               : ::pread(file, buffer, kRequest, static_cast<off_t>(at));
    if (done != kRequest) die("the file ends early");
  }
}

// A guest that keeps eight requests of scattered pages in flight.
class Guest {
 public:
  explicit Guest(const std::string& path, ImageOptions::Mode mode)
      : disk_(open(path, mode)), transport_(memory_.guest(), disk_, {}), driver_(memory_, transport_) {
    driver_.negotiate(~uint64_t{0});
    queue_ = &driver_.add_queue(0, 256);
    driver_.start();
    for (Slot& slot : slots_) {
      slot.header = driver_.allocate(16, 16);
      slot.status = driver_.allocate(1, 1);
      slot.table = driver_.allocate(uint64_t{16} * (kPages + 2), 16);
      for (uint32_t i = 0; i < kPages; ++i) {
        slot.pages.push_back(driver_.allocate(kPage, kPage));
        driver_.allocate(kPage, 1);
      }
    }
  }

  void run(uint64_t bytes, bool write) {
    uint64_t at = 0;
    uint32_t running = 0;
    std::vector<Slot*> free;
    free.reserve(kInFlight);
    for (Slot& slot : slots_) free.push_back(&slot);
    while (at < bytes || running > 0) {
      while (at < bytes && !free.empty()) {
        submit(*free.back(), at / 512, write);
        free.pop_back();
        at += kRequest;
        ++running;
      }
      driver_.kick(*queue_);
      transport_.serve();
      while (const auto used = driver_.take(*queue_)) {
        Slot* slot = of_[used->id];
        if (*memory_.at(slot->status) != std::byte{0}) die("a request failed");
        free.push_back(slot);
        --running;
      }
    }
  }

 private:
  struct Slot {
    uint64_t header = 0;
    uint64_t status = 0;
    uint64_t table = 0;
    std::vector<uint64_t> pages;
  };
  static std::unique_ptr<Store> open(const std::string& path, ImageOptions::Mode mode) {
    auto store = open_image(path, {.mode = mode, .overlay_folder = path.substr(0, path.rfind('/'))});
    if (!store) die(store.error().line());
    return std::move(*store);
  }
  void submit(Slot& slot, uint64_t sector, bool write) {
    const virtio_blk_outhdr header{write ? uint32_t{VIRTIO_BLK_T_OUT} : uint32_t{VIRTIO_BLK_T_IN}, 0, sector};
    std::memcpy(memory_.at(slot.header), &header, sizeof header);
    driver_.descriptor(slot.table, 0, slot.header, 16, 1, 1);
    for (uint16_t i = 0; i < kPages; ++i)
      driver_.descriptor(slot.table, static_cast<uint16_t>(i + 1), slot.pages[i], kPage, write ? 1 : 3,
                         static_cast<uint16_t>(i + 2));
    driver_.descriptor(slot.table, kPages + 1, slot.status, 1, 2, 0);
    const uint16_t head = queue_->free.back();
    queue_->free.pop_back();
    driver_.descriptor(queue_->descriptors, head, slot.table, 16 * (kPages + 2), 4, 0);
    queue_->of[head] = {head};
    of_[head] = &slot;
    driver_.offer_head(*queue_, head);
  }

  TestMemory memory_{32 << 20};
  Block disk_;
  MmioTransport transport_;
  DriverModel driver_;
  DriverModel::Queue* queue_ = nullptr;
  std::array<Slot, kInFlight> slots_;
  std::array<Slot*, 256> of_{};
};

double best(const std::function<double()>& once) {
  std::array<double, kRuns> all{};
  for (double& time : all) time = once();
  return *std::min_element(all.begin(), all.end());
}

}  // namespace

int main(int argc, char** argv) {
  const std::string folder = argc > 1 ? argv[1] : "/var/tmp";
  const uint64_t bytes = (argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 1024) << 20;
  std::string path = folder + "/sandstone-disk-XXXXXX";
  const Fd file(::mkostemp(path.data(), O_CLOEXEC));
  if (!file.valid()) die("cannot make a file in " + folder);
  const TestMemory buffers(32 << 20);  // aligned like the guest's: a copy to odd addresses is slower
  std::memset(buffers.at(0), 'b', buffers.size());
  direct(file.get(), bytes, true, buffers);

  const auto rate = [&](double time) { return static_cast<double>(bytes >> 20) / time; };
  const auto own = [&](const char* name, bool write, bool fresh) {
    const double time = best([&] {
      const Fd another(fresh ? ::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600) : -1);
      return seconds([&] { direct(fresh ? another.get() : file.get(), bytes, write, buffers); });
    });
    fmt::print("{:<28}{:8.0f} MiB/s\n", name, rate(time));
    return time;
  };
  const double read = own("pread", false, false);
  const double rewrite = own("pwrite", true, false);
  const double first_write = own("pwrite, a new file", true, true);
  const auto report = [&](const char* name, double than, ImageOptions::Mode mode, bool write, bool again) {
    const double time = best([&] {
      Guest guest(path, mode);
      if (again) guest.run(bytes, true);
      return seconds([&] { guest.run(bytes, write); });
    });
    fmt::print("{:<28}{:8.0f} MiB/s{:8.2f}\n", name, rate(time), than / time);
  };
  using Mode = ImageOptions::Mode;
  report("read, persistent", read, Mode::persistent, false, false);
  report("write, persistent", rewrite, Mode::persistent, true, false);
  report("read, overlay of base", read, Mode::overlay, false, false);
  report("read, overlay of changes", read, Mode::overlay, false, true);
  report("write, overlay, first time", first_write, Mode::overlay, true, false);
  report("write, overlay, again", rewrite, Mode::overlay, true, true);
  ::unlink(path.c_str());
  return 0;
}
