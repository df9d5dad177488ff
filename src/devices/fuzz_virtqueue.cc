// libFuzzer: any bytes as what a driver does to its registers and its rings, on each of the four devices.
// What must hold: no access outside the guest's memory (AddressSanitizer looks), serve() comes to an end, a
// broken device does nothing more, and an overlay's image stays as it was.
#include <fcntl.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <string>

#include "devices/block.h"
#include "devices/console.h"
#include "devices/driver_model.h"
#include "devices/net.h"
#include "devices/overlay.h"
#include "devices/rng.h"

using namespace sandstone;
using namespace sandstone::devices;

namespace {

constexpr size_t kMemory = 64 << 10;
constexpr uint64_t kImageBytes = uint64_t{37} * 512;

void must(bool condition) {
  if (!condition) std::abort();
}

class Input {
 public:
  explicit Input(std::span<const uint8_t> bytes) : bytes_(bytes) {}
  [[nodiscard]] bool empty() const { return bytes_.empty(); }
  uint8_t byte() {
    if (bytes_.empty()) return 0;
    const uint8_t value = bytes_[0];
    bytes_ = bytes_.subspan(1);
    return value;
  }
  uint16_t word() { return static_cast<uint16_t>(byte() | byte() << 8); }
  uint32_t dword() { return word() | uint32_t{word()} << 16; }

  // Mostly inside memory, sometimes near its end, sometimes anything.
  uint64_t address() {
    const uint16_t low = word();
    switch (low % 16) {
      case 0:
        return kMemory - byte();
      case 1:
        return dword() | uint64_t{dword()} << 32;
      case 2:
        return ~uint64_t{0} - byte();
      default:
        return low;
    }
  }
  uint32_t length() {
    const uint8_t kind = byte();
    if (kind < 100) return kind;
    if (kind < 130) return 16U * (kind - 100U);
    if (kind < 190) return 512U * (kind - 130U);
    return kind < 240 ? word() : dword();
  }

 private:
  std::span<const uint8_t> bytes_;
};

Fd image_with_content() {
  Fd file(::memfd_create("image", MFD_CLOEXEC));
  const std::string content(kImageBytes, 'i');
  must(::write(file.get(), content.data(), content.size()) == static_cast<ssize_t>(content.size()));
  return file;
}

bool image_is_as_it_was(const Fd& image) {
  std::string content(kImageBytes, '\0');
  return ::pread(image.get(), content.data(), content.size(), 0) == static_cast<ssize_t>(kImageBytes) &&
         content == std::string(kImageBytes, 'i');
}

std::unique_ptr<Store> overlay_on(const Fd& image) {
  auto store = OverlayStore::create(image.duplicate(), kImageBytes,
                                    Fd(::memfd_create("changes", MFD_CLOEXEC)), "image");
  must(store.ok());
  return std::move(*store);
}

struct Machine {
  explicit Machine(unsigned kind, const Fd& image) {
    constexpr Net::Mac kMac{2, 0, 0, 0, 0, 1};
    if (kind == 0) device = std::make_unique<Block>(overlay_on(image));
    if (kind == 1) {
      device = std::make_unique<Net>(kMac, 1500, [this](std::span<const std::byte> frame) {
        must(frame.size() >= Net::kMinFrame && frame.size() <= Net::kMaxFrame);
        static_cast<Net*>(device.get())->deliver(frame);
      });
      net = static_cast<Net*>(device.get());
    }
    if (kind == 2) {
      device = std::make_unique<Console>(
          [this](std::span<const std::byte> bytes) { return std::min<size_t>(bytes.size(), output_room); });
      console = static_cast<Console*>(device.get());
    }
    if (kind == 3) device = std::make_unique<Rng>();
    transport = std::make_unique<MmioTransport>(
        memory.guest(), *device,
        MmioTransport::Callbacks{
            .interrupt = {}, .kick = {}, .broken = [this](unsigned, const QueueFault& fault) {
              must(!fault.line().empty());
              ++broken;
            }});
  }

  // As a good driver would, so that the bytes can get further than the first register.
  void set_up(uint64_t features, uint16_t size) {
    DriverModel driver(memory, *transport);
    driver.negotiate(features);
    for (unsigned i = 0; i < device->queue_sizes().size(); ++i) {
      const DriverModel::Queue& queue = driver.add_queue(i, size);
      rings[i] = {queue.descriptors, queue.available, size};
    }
    driver.start();
  }

  void serve() {
    const bool dead = transport->fault().has_value();
    const unsigned told = broken;
    const bool done = transport->serve();
    must(!dead || (!done && broken == told));
  }

  struct Ring {
    uint64_t descriptors = 0;
    uint64_t available = 0;
    uint16_t size = 1;
  };
  TestMemory memory{kMemory};
  size_t output_room = SIZE_MAX;
  unsigned broken = 0;
  std::unique_ptr<Device> device;
  Net* net = nullptr;
  Console* console = nullptr;
  std::unique_ptr<MmioTransport> transport;
  Ring rings[2];
};

void write_descriptor(Machine& machine, Input& input, uint64_t table, uint16_t index) {
  const uint64_t at = table + uint64_t{16} * index;
  const uint64_t address = input.address();
  const uint32_t length = input.length();
  const uint8_t flags = input.byte();
  const uint8_t next = input.byte();
  std::byte* to = machine.memory.guest().at(at, 16);
  if (to == nullptr) return;
  std::memcpy(to, &address, 8);
  std::memcpy(to + 8, &length, 4);
  const uint16_t tail[2] = {static_cast<uint16_t>(flags % 16 < 12 ? flags % 8 : flags), next};
  std::memcpy(to + 12, tail, 4);
}

void step(Machine& machine, Input& input) {
  const uint8_t op = input.byte();
  Machine::Ring& ring = machine.rings[op / 16 % 2];
  switch (op % 16) {
    case 0: {
      const auto offset = static_cast<uint32_t>(input.word() % 0x210);
      machine.transport->write(offset % 8 == 7 ? offset : offset & ~3U, input.dword(),
                               op / 16 < 14 ? 4 : op / 64);
      break;
    }
    case 1:
      (void)machine.transport->read(input.word() % 0x210, op / 16 < 14 ? 4 : op / 64);
      break;
    case 2:
    case 3:
    case 4:
      write_descriptor(machine, input, ring.descriptors, input.byte() % ring.size);
      break;
    case 5:
      write_descriptor(machine, input, input.address() & ~uint64_t{15}, input.byte());
      break;
    case 6:
    case 7:
    case 8: {  // offers a chain
      std::byte* index = machine.memory.at(ring.available + 2);
      const uint16_t now = load<uint16_t>(index);
      const uint8_t head = input.byte();
      store<uint16_t>(machine.memory.at(ring.available + 4 + uint64_t{2} * (now % ring.size)),
                      head < 250 ? head % ring.size : head);
      store<uint16_t>(index, static_cast<uint16_t>(now + 1));
      break;
    }
    case 9: {  // any byte of memory
      if (std::byte* at = machine.memory.guest().at(input.word(), 1)) *at = std::byte{input.byte()};
      break;
    }
    case 10: {  // a request's header
      const uint32_t words[4] = {input.byte() % 16U, 0, input.byte(), input.byte() % 8 ? 0 : input.dword()};
      if (std::byte* at = machine.memory.guest().at(input.word(), sizeof words))
        std::memcpy(at, words, sizeof words);
      break;
    }
    case 11: {
      const std::vector<std::byte> bytes(input.length() % 70000);
      if (machine.net != nullptr) machine.net->deliver(bytes);
      if (machine.console != nullptr) machine.console->input(bytes);
      break;
    }
    case 12:
      machine.output_room = op / 16 < 8 ? SIZE_MAX : input.byte();
      if (machine.console != nullptr) machine.console->output_ready();
      break;
    case 13:
      if (op / 16 == 0)
        machine.set_up(input.dword() | ~uint64_t{0} << 32, static_cast<uint16_t>(1U << input.byte() % 6));
      break;
    default:
      machine.serve();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const Fd image = image_with_content();
  Input input(std::span(data, size));
  const uint8_t first = input.byte();
  Machine machine(first % 4, image);
  if (first / 4 % 8 != 0)
    machine.set_up(first >= 128 ? ~uint64_t{0} : uint64_t{1} << 28,
                   static_cast<uint16_t>(1U << first / 8 % 6));
  while (!input.empty()) step(machine, input);
  machine.serve();
  must(image_is_as_it_was(image));
  return 0;
}
