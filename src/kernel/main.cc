// sandstone-kernel: what the tier `kernel` runs inside the jail.
//
// Two domains: this process serves the library kernel's devices and trusts nothing that it reads in their
// memory; its child runs the library kernel, and is the parent of the guests, with whom it shares that
// memory.

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <optional>

#include "devices/block.h"
#include "devices/folder.h"
#include "devices/image.h"
#include "devices/rng.h"
#include "kernel/counters.h"
#include "kernel/guest.h"
#include "kernel/network.h"
#include "kernel/resident.h"
#include "kernel/signals.h"
#include "kernel/tracer.h"
#include "libkernel/device_host.h"
#include "libkernel/futex.h"
#include "libkernel/huge_pages.h"
#include "libkernel/quiet_thread.h"

namespace sandstone::kernel {
namespace {

int fail(const Error& error) {
  std::fprintf(stderr, "sandstone: %s\n", error.line().c_str());
  return 125;
}

// Raises interrupts without running the image's code, which the guests could have written.
class Interrupts {
 public:
  explicit Interrupts(lib_header& header) : pending_(header.pending), shared_(header.shared) {}
  void raise(unsigned number) const {
    std::atomic_ref<uint64_t>(*pending_).fetch_or(uint64_t{1} << number);
    libkernel::shared_word(shared_->bell).fetch_add(1);
    if (libkernel::shared_word(shared_->bell_sleeping) != 0) libkernel::futex_wake(shared_->bell);
  }

 private:
  uint64_t* pending_;
  lib_shared* shared_;
};

int end_as(const Shared& shared, bool verbose) {
  // Tells its end from one of ours with the same status.
  if (verbose) std::fprintf(stderr, "sandstone: the first program has ended with %#x\n", shared.wait_status);
  if (shared.exec_error != 0) {
    std::fprintf(stderr, "sandstone: cannot execute the command: %s\n", std::strerror(shared.exec_error));
    return shared.exec_error == ENOENT ? 127 : 126;
  }
  if (WIFSIGNALED(shared.wait_status)) {
    release_signals();
    ::signal(WTERMSIG(shared.wait_status), SIG_DFL);
    ::raise(WTERMSIG(shared.wait_status));
    return 128 + WTERMSIG(shared.wait_status);
  }
  return WEXITSTATUS(shared.wait_status);
}

int run(int argc, char** argv) {
  ::prctl(PR_SET_NAME, "sandstone-devs");  // else it would be called after its memory file
  auto options = parse(argc, argv);
  if (!options) return fail(options.error());
  if (char folder[4096]; options->folder.empty() && ::getcwd(folder, sizeof folder) != nullptr)
    options->folder = folder;
  for (auto& volume : options->volumes) {
    struct stat status{};
    volume.is_file = ::stat(volume.path.c_str(), &status) == 0 && !S_ISDIR(status.st_mode);
    if (volume.is_file && (!volume.read_only || options->disk_fd >= 0))
      return fail({"-v", fmt::format("{} is no folder", volume.path),
                   options->disk_fd >= 0 ? "a disk image takes folders" : "show its folder, or add :ro"});
  }
  const uint64_t window = options->mode == runtime::Mode::notify ? options->memory / 4 >> 12 << 12 : 0;
  auto image = libkernel::Image::map(options->memory, window);
  if (!image) return fail(image.error());
  // Out of the way of what is closed: nobody else's may stay.
  const auto above = static_cast<unsigned>(image->descriptor()) + 1;
  const auto keep = [above](int fd) { return Fd(fd < 0 ? -1 : ::fcntl(fd, F_DUPFD_CLOEXEC, above)); };
  const Fd image_file = keep(options->image_fd);
  Fd frames = keep(options->frames_fd);
  Fd disk = keep(options->disk_fd);
  const Fd trace = keep(options->trace_fd);
  const Fd stats = keep(options->stats_fd);
  const Fd stats_lines = keep(options->stats_lines_fd);
  ::close_range(3, above - 2, 0);
  void* page = ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return fail(system_error("sandstone-kernel", "mmap", errno));
  auto& shared = *new (page) Shared{};
  shared.owner[0] = options->uid;
  shared.owner[1] = options->gid;

  if (trace.valid())
    if (auto mapped = Tracer::map_rings(); !mapped) return fail(mapped.error());
  if (stats.valid())
    if (auto mapped = Counters::map(); !mapped) return fail(mapped.error());
  hold_signals();
  const pid_t kernel = ::fork();
  if (kernel < 0) return fail(system_error("sandstone-kernel", "fork", errno));
  if (kernel == 0) {
    ::close_range(above, ~0U, 0);  // the devices' own
    run_kernel(*options, *image, shared);
  }
  const auto give_up = [kernel](const Error& error) {
    ::kill(kernel, SIGKILL);
    return fail(error);
  };

  // The child has things to do that do not need it.
  using Pages = libkernel::Image::Pages;
  if (auto filled = image->fill(image_file.get(), "library kernel", Pages::huge); !filled)
    return give_up(filled.error());
  // Addresses, taken before anybody could have changed them.
  const Interrupts interrupts(image->header());
  const Watch watch(image->header());
  Resident resident(image->header());
  libkernel::HugePages huge_pages(*image);
  lib_device_window* windows = image->header().shared->windows;
  Counters counters(image->header(), [&interrupts](unsigned number) { interrupts.raise(number); });

  collect_signals(shared, watch);
  libkernel::quiet_thread([&huge_pages] { huge_pages.run(); }).detach();
  libkernel::quiet_thread([&resident] { resident.run(); }).detach();
  ::signal(SIGPIPE, SIG_IGN);
  for (const int fd : {0, 1}) ::close(fd);
  std::vector<std::unique_ptr<libkernel::DeviceHost>> hosts;
  const devices::GuestMemory memory(image->memory(), image->memory_size() + image->window_size());
  const auto add = [&](std::unique_ptr<devices::Device> device) {
    const auto number = static_cast<unsigned>(hosts.size());
    hosts.push_back(std::make_unique<libkernel::DeviceHost>(
        memory, windows[number], std::move(device),
        [&interrupts, number] { interrupts.raise(LIB_INTERRUPT_DEVICE(number)); }));
  };
  const auto add_folder = [&](const std::string& path, const std::string& tag, bool read_only,
                              fs::Squash owner) -> Result<void> {
    devices::FolderOptions folder;
    folder.path = path;
    folder.tag = tag;
    folder.read_only = read_only;
    folder.squash = owner;
    folder.direct_io = false;  // the guests' own memory is the host's, out of the library kernel's reach
    if (read_only) folder.cache = fs::CachePolicy::always;
    auto device = devices::Folder::open(folder);
    if (!device) return device.error();
    add(std::move(*device));
    return {};
  };
  const auto add_disk = [&](Fd fd) -> Result<void> {
    using Mode = devices::ImageOptions::Mode;
    devices::ImageOptions how;
    how.mode = options->disk == Options::Disk::persistent  ? Mode::persistent
               : options->disk == Options::Disk::read_only ? Mode::read_only
                                                           : Mode::overlay;
    how.overlay_folder = "/tmp";  // the jail's: a private one, as large as --disk says
    auto store = devices::open_image(std::move(fd), "--disk-image", how);
    if (!store) return store.error();
    add(std::make_unique<devices::Block>(std::move(*store)));
    return {};
  };
  Result<void> added = disk.valid() ? add_disk(std::move(disk)) : add_folder("/", "root", true, {});
  for (size_t i = 0; added && i < options->volumes.size(); ++i)
    if (!options->volumes[i].is_file)
      // What the caller may write there, the command may, whoever it is inside.
      added = add_folder(options->volumes[i].path, "volume" + std::to_string(i),
                         options->volumes[i].read_only, {.lenient = true, .shared = shared.owner});
  if (!added) return give_up(added.error());
  add(std::make_unique<devices::Rng>());
  libkernel::DeviceHost* card = nullptr;
  if (frames.valid()) {
    add(make_card(std::move(frames)));
    card = hosts.back().get();
  }
  std::optional<Tracer> tracer;
  if (trace.valid()) tracer.emplace(trace.get(), options->trace_json);
  std::optional<StatsWriter> stats_writer;
  counters.except(kernel);
  if (stats.valid()) stats_writer.emplace(counters, stats.get(), stats_lines.get(), options->stats_interval);
  libkernel::shared_word(shared.devices_ready) = 1;
  libkernel::futex_wake(shared.devices_ready);

  int status = 0;
  while (::waitpid(kernel, &status, 0) < 0 && errno == EINTR) {
  }
  if (card != nullptr) card->settle();  // the last of the frames
  tracer.reset();
  counters.stop_asking();
  stats_writer.reset();
  if (shared.ended == 0) {
    if (shared.failed == 0)
      std::fprintf(stderr, "sandstone: the library kernel's process has ended (%s %d)\n",
                   WIFSIGNALED(status) ? "signal" : "status",
                   WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    ::_exit(125);
  }
  std::fflush(nullptr);
  const int result = end_as(shared, options->verbose);
  ::_exit(result);
}

}  // namespace
}  // namespace sandstone::kernel

int main(int argc, char** argv) {
  return sandstone::kernel::run(argc, argv);
}
