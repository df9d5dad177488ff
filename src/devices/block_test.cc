#include "devices/block.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <random>

#include "devices/disk_model.h"
#include "devices/faulty_store.h"
#include "devices/image.h"
#include "devices/overlay.h"

namespace sandstone::devices {
namespace {

using Bytes = DiskModel::Bytes;
using Mode = ImageOptions::Mode;

constexpr uint8_t kOk = VIRTIO_BLK_S_OK;
constexpr uint8_t kIoError = VIRTIO_BLK_S_IOERR;
constexpr uint8_t kUnsupported = VIRTIO_BLK_S_UNSUPP;

Bytes pattern(size_t size, unsigned seed) {
  std::mt19937 random(seed);
  Bytes bytes(size);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
  return bytes;
}

// An image file that ends with the test.
struct ImageFile {
  explicit ImageFile(const Bytes& content) {
    const Fd file(::mkostemp(path.data(), O_CLOEXEC));
    EXPECT_EQ(::write(file.get(), content.data(), content.size()), static_cast<ssize_t>(content.size()));
  }
  ImageFile(const ImageFile&) = delete;
  ImageFile& operator=(const ImageFile&) = delete;
  ~ImageFile() { ::unlink(path.c_str()); }

  [[nodiscard]] Bytes content() const {
    const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    struct stat status{};
    ::fstat(file.get(), &status);
    Bytes bytes(static_cast<size_t>(status.st_size));
    EXPECT_EQ(::read(file.get(), bytes.data(), bytes.size()), status.st_size);
    return bytes;
  }
  [[nodiscard]] std::unique_ptr<Store> open(Mode mode) const {
    auto store = open_image(path, {.mode = mode});
    EXPECT_TRUE(store) << (store ? "" : store.error().line());
    return store ? std::move(*store) : nullptr;
  }
  [[nodiscard]] std::string refusal(Mode mode) const {
    auto store = open_image(path, {.mode = mode});
    return store ? "" : store.error().what;
  }

  std::string path = testing::TempDir() + "sandstone-image-XXXXXX";
};

void put(Bytes& model, uint64_t offset, const Bytes& data) {
  std::copy(data.begin(), data.end(), model.begin() + static_cast<ptrdiff_t>(offset));
}

// Random requests, each compared with what an array would hold; what is discarded may read as anything once.
void compare_with_model(DiskModel& disk, Bytes model, unsigned seed) {
  std::mt19937 random(seed);
  const auto sectors = static_cast<uint32_t>(model.size() / 512);
  for (int i = 0; i < 3000; ++i) {
    const uint32_t sector = static_cast<uint32_t>(random() % sectors);
    const uint32_t count =
        1 + static_cast<uint32_t>(random() %
                                  std::min(sectors - sector, 1 + static_cast<uint32_t>(random() % 100)));
    const uint64_t offset = uint64_t{sector} * 512;
    const size_t bytes = size_t{count} * 512;
    switch (random() % 5) {
      case 0:
      case 1: {
        const Bytes data = pattern(bytes, static_cast<unsigned>(random()));
        ASSERT_EQ(disk.write(sector, data), kOk);
        put(model, offset, data);
        break;
      }
      case 2: {
        const uint32_t flags = random() % 2;
        ASSERT_EQ(disk.unmap(VIRTIO_BLK_T_WRITE_ZEROES, sector, count, flags), kOk);
        put(model, offset, Bytes(bytes));
        break;
      }
      case 3: {
        if (random() % 4 != 0) break;
        ASSERT_EQ(disk.unmap(VIRTIO_BLK_T_DISCARD, sector, count), kOk);
        Bytes now = disk.content(sector, bytes);
        const Bytes before(model.begin() + static_cast<ptrdiff_t>(offset),
                           model.begin() + static_cast<ptrdiff_t>(offset + bytes));
        for (size_t j = 0; j < bytes; ++j)
          ASSERT_TRUE(now[j] == before[j] || now[j] == std::byte{0}) << "neither kept nor zero";
        put(model, offset, now);
        break;
      }
      default: {
        const Bytes expected(model.begin() + static_cast<ptrdiff_t>(offset),
                             model.begin() + static_cast<ptrdiff_t>(offset + bytes));
        ASSERT_EQ(disk.content(sector, bytes), expected) << "sector " << sector << ", " << count;
      }
    }
  }
  for (size_t offset = 0; offset < model.size(); offset += 65536) {
    const size_t bytes = std::min<size_t>(65536, model.size() - offset);
    const Bytes expected(model.begin() + static_cast<ptrdiff_t>(offset),
                         model.begin() + static_cast<ptrdiff_t>(offset + bytes));
    ASSERT_EQ(disk.content(offset / 512, bytes), expected);
  }
}

constexpr size_t kSize = size_t{1021} * 512;  // ends in the middle of a block, and of a word of the bitmap

}  // namespace

TEST(DevicesBlock, SaysWhatItIs) {
  const ImageFile image(pattern(kSize, 1));
  DiskModel disk(image.open(Mode::overlay));
  EXPECT_EQ(disk.driver.get(VIRTIO_MMIO_DEVICE_ID), 2U);
  EXPECT_EQ(disk.driver.get(0x100), 1021U);
  EXPECT_EQ(disk.driver.get(0x104), 0U);
  EXPECT_EQ(disk.driver.get(0x10c), 254U) << "seg_max";
  EXPECT_EQ(disk.driver.get(0x114), 512U) << "blk_size";
  Bytes id(20);
  EXPECT_EQ(disk.request(VIRTIO_BLK_T_GET_ID, 0, {}, &id), kOk);
  EXPECT_STREQ(reinterpret_cast<const char*>(id.data()), "serial");
  EXPECT_EQ(disk.written, 21U);
  EXPECT_EQ(disk.request(99, 0, {}), kUnsupported);
  EXPECT_EQ(disk.written, 1U);
}

TEST(DevicesBlock, AnOverlayLooksChangedAndTheImageIsNot) {
  const Bytes original = pattern(kSize, 2);
  const ImageFile image(original);
  for (const uint32_t piece : {4096U, 512U, 1U << 20}) {
    DiskModel disk(image.open(Mode::overlay), ~uint64_t{0}, piece);
    compare_with_model(disk, original, piece);
  }
  EXPECT_EQ(image.content(), original);
  DiskModel fresh(image.open(Mode::overlay));
  compare_with_model(fresh, original, 4);
}

TEST(DevicesBlock, PersistentIsTheImageItself) {
  const Bytes original = pattern(kSize, 3);
  const ImageFile image(original);
  {
    DiskModel disk(image.open(Mode::persistent));
    compare_with_model(disk, original, 5);
    EXPECT_EQ(disk.write(1020, pattern(512, 9)), kOk);
    EXPECT_EQ(disk.flush(), kOk);
  }
  Bytes last = image.content();
  EXPECT_EQ(Bytes(last.end() - 512, last.end()), pattern(512, 9));
  EXPECT_EQ(last.size(), kSize);
}

TEST(DevicesBlock, ReadOnlyWritesNothing) {
  const Bytes original = pattern(kSize, 4);
  const ImageFile image(original);
  DiskModel disk(image.open(Mode::read_only));
  EXPECT_NE(disk.agreed & 1U << VIRTIO_BLK_F_RO, 0U);
  EXPECT_EQ(disk.agreed & (1U << VIRTIO_BLK_F_FLUSH | 1U << VIRTIO_BLK_F_DISCARD), 0U);
  EXPECT_EQ(disk.write(0, Bytes(512)), kIoError);
  EXPECT_EQ(disk.unmap(VIRTIO_BLK_T_DISCARD, 0, 8), kIoError);
  EXPECT_EQ(disk.unmap(VIRTIO_BLK_T_WRITE_ZEROES, 0, 8), kIoError);
  EXPECT_EQ(disk.flush(), kOk);
  EXPECT_EQ(disk.content(0, kSize), original);
  EXPECT_EQ(image.content(), original);
}

TEST(DevicesBlock, StaysInsideTheDisk) {
  const ImageFile image(pattern(kSize, 5));
  DiskModel disk(image.open(Mode::overlay));
  Bytes one(512);
  Bytes two(1024);
  EXPECT_EQ(disk.read(1020, one), kOk);
  EXPECT_EQ(disk.read(1021, one), kIoError);
  EXPECT_EQ(disk.read(1020, two), kIoError);
  EXPECT_EQ(disk.read(UINT64_MAX, one), kIoError);
  EXPECT_EQ(disk.read(UINT64_MAX / 512, one), kIoError);
  EXPECT_EQ(disk.read(UINT64_MAX / 512 + 1, one), kIoError) << "0, when multiplied";
  EXPECT_EQ(disk.write(1020, two), kIoError);
  EXPECT_EQ(disk.write(0, Bytes(511)), kIoError);
  EXPECT_EQ(disk.write(0, Bytes(513)), kIoError);
  for (const uint32_t type : {uint32_t{VIRTIO_BLK_T_DISCARD}, uint32_t{VIRTIO_BLK_T_WRITE_ZEROES}}) {
    EXPECT_EQ(disk.unmap(type, 1020, 1), kOk);
    EXPECT_EQ(disk.unmap(type, 1020, 2), kIoError);
    EXPECT_EQ(disk.unmap(type, UINT64_MAX, 1), kIoError);
    EXPECT_EQ(disk.unmap(type, 0, UINT32_MAX), kIoError);
    EXPECT_EQ(disk.unmap(type, 0, 0), kOk);
    EXPECT_EQ(disk.unmap(type, 0, 1, 2), kUnsupported) << "an unknown flag";
    EXPECT_EQ(disk.request(type, 0, Bytes(15)), kIoError);
    EXPECT_EQ(disk.request(type, 0, Bytes()), kIoError);
    EXPECT_EQ(disk.request(type, 0, Bytes(size_t{17} * 16)), kIoError) << "more ranges than it said";
  }
  EXPECT_EQ(disk.unmap(VIRTIO_BLK_T_DISCARD, 0, 1, 1), kUnsupported);
  EXPECT_EQ(disk.transport.fault(), std::nullopt) << "a wrong request is no malice";
}

TEST(DevicesBlock, ARequestThatIsNoneBreaksTheDevice) {
  const ImageFile image(pattern(kSize, 6));
  for (const bool no_status : {false, true}) {
    DiskModel disk(image.open(Mode::overlay));
    if (no_status)
      disk.driver.offer(*disk.queue, {{0, 16, false}});
    else
      disk.driver.offer(*disk.queue, {{0, 15, false}, {64, 1, true}});
    disk.transport.serve();
    ASSERT_TRUE(disk.transport.fault());
    EXPECT_EQ(disk.transport.fault()->kind, QueueFault::Kind::bad_request);
    EXPECT_FALSE(disk.driver.take(*disk.queue));
  }
}

TEST(DevicesBlock, TheFramingIsTheDriversChoice) {
  const Bytes original = pattern(kSize, 7);
  const ImageFile image(original);
  DiskModel disk(image.open(Mode::overlay));
  // The header in two pieces, and the status at the end of the last piece of data.
  const uint64_t at = disk.driver.allocate(4096, 512);
  const virtio_blk_outhdr header{VIRTIO_BLK_T_IN, 0, 3};
  std::memcpy(disk.memory.at(at), &header, sizeof header);
  disk.driver.offer(*disk.queue,
                    {{at, 5, false}, {at + 5, 11, false}, {at + 512, 100, true}, {at + 1024, 413, true}});
  disk.transport.serve();
  ASSERT_TRUE(disk.driver.take(*disk.queue));
  EXPECT_EQ(std::memcmp(disk.memory.at(at + 512), &original[size_t{3} * 512], 100), 0);
  EXPECT_EQ(std::memcmp(disk.memory.at(at + 1024), &original[size_t{3} * 512 + 100], 412), 0);
  EXPECT_EQ(*disk.memory.at(at + 1024 + 412), std::byte{kOk});
}

TEST(DevicesBlock, FaultsBecomeErrorsAndNothingWorse) {
  using Call = FaultyStore::Call;
  const Bytes original = pattern(kSize, 8);
  const ImageFile image(original);
  auto owned = std::make_unique<FaultyStore>(image.open(Mode::overlay));
  FaultyStore& store = *owned;
  DiskModel disk(std::move(owned));
  store.fail(Call::read, EIO, 2);
  EXPECT_EQ(disk.content(0, 4096).size(), 4096U);
  EXPECT_EQ(disk.content(0, 4096).size(), 0U);
  EXPECT_EQ(disk.content(0, 4096).size(), 4096U);
  store.fail(Call::write, ENOSPC, 1, 2);
  EXPECT_EQ(disk.write(0, Bytes(4096)), kIoError);
  EXPECT_EQ(disk.write(0, Bytes(4096)), kIoError);
  EXPECT_EQ(disk.written, 1U);
  EXPECT_EQ(disk.content(0, 4096), Bytes(original.begin(), original.begin() + 4096));
  EXPECT_EQ(disk.write(0, Bytes(4096)), kOk);
  store.fail(Call::flush, EIO);
  EXPECT_EQ(disk.flush(), kIoError);
  EXPECT_EQ(disk.flush(), kOk);
  store.fail(Call::discard, EIO);
  EXPECT_EQ(disk.unmap(VIRTIO_BLK_T_DISCARD, 0, 8), kIoError);
  store.fail(Call::zero, ENOSPC);
  EXPECT_EQ(disk.unmap(VIRTIO_BLK_T_WRITE_ZEROES, 0, 8), kIoError);
  EXPECT_EQ(disk.transport.fault(), std::nullopt);
}

TEST(DevicesBlock, ADriverThatCannotFlushIsFlushedFor) {
  const ImageFile image(pattern(kSize, 9));
  for (const bool can : {false, true}) {
    auto owned = std::make_unique<FaultyStore>(image.open(Mode::persistent));
    FaultyStore& store = *owned;
    DiskModel disk(std::move(owned), can ? ~uint64_t{0} : 0);
    EXPECT_EQ(disk.write(0, Bytes(512)), kOk);
    EXPECT_EQ(store.calls(FaultyStore::Call::flush), can ? 0U : 1U);
    store.fail(FaultyStore::Call::flush, EIO);
    EXPECT_EQ(disk.write(0, Bytes(512)), can ? kOk : kIoError);
  }
}

TEST(DevicesImage, AnImageThatIsCutOffIsAnError) {
  const ImageFile image(pattern(kSize, 10));
  for (const Mode mode : {Mode::read_only, Mode::overlay}) {
    DiskModel disk(image.open(mode));
    ASSERT_EQ(::truncate(image.path.c_str(), 4096), 0);
    EXPECT_EQ(disk.content(0, 4096).size(), 4096U);
    EXPECT_EQ(disk.content(0, 8192).size(), 0U);
    ASSERT_EQ(::truncate(image.path.c_str(), kSize), 0);
  }
}

TEST(DevicesImage, AFullDiskIsAnErrorAndTheOldContentStays) {
  // A file of changes that may not grow stands for a disk that is full.
  const Bytes original = pattern(kSize, 11);
  const ImageFile image(original);
  Fd changes(::memfd_create("full", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  const int raw = changes.get();
  auto store = OverlayStore::create(Fd(::open(image.path.c_str(), O_RDONLY | O_CLOEXEC)), kSize,
                                    std::move(changes), "image");
  ASSERT_TRUE(store);
  DiskModel disk(std::move(*store));
  EXPECT_EQ(disk.write(8, pattern(512, 1)), kOk);
  ASSERT_EQ(::fcntl(raw, F_ADD_SEALS, F_SEAL_WRITE), 0);
  EXPECT_EQ(disk.write(0, Bytes(4096)), kIoError);
  EXPECT_EQ(disk.unmap(VIRTIO_BLK_T_WRITE_ZEROES, 0, 16), kIoError);
  EXPECT_EQ(disk.content(0, 4096), Bytes(original.begin(), original.begin() + 4096));
  EXPECT_EQ(disk.content(8, 512), pattern(512, 1));
}

TEST(DevicesImage, TwoWritersCannotMeet) {
  const ImageFile image(pattern(kSize, 12));
  {
    const auto reader = image.open(Mode::overlay);
    const auto another = image.open(Mode::read_only);
    EXPECT_EQ(image.refusal(Mode::persistent), "is being read by another run");
  }
  {
    const auto writer = image.open(Mode::persistent);
    for (const Mode mode : {Mode::persistent, Mode::overlay, Mode::read_only})
      EXPECT_EQ(image.refusal(mode), "is being written to by another run");
  }
  EXPECT_EQ(image.refusal(Mode::persistent), "") << "the lock ends with the disk";
}

TEST(DevicesImage, RefusesWhatIsNoImage) {
  EXPECT_EQ(ImageFile(Bytes()).refusal(Mode::overlay),
            "has 0 bytes, which is no whole number of 512-byte sectors");
  EXPECT_EQ(ImageFile(Bytes(513)).refusal(Mode::overlay),
            "has 513 bytes, which is no whole number of 512-byte sectors");
  EXPECT_EQ(open_image("/dev/null").error().what, "is neither a file nor a block device");
  EXPECT_EQ(open_image("/nowhere/image").error().what, "cannot open the image: No such file or directory");
  const ImageFile image(pattern(512, 1));
  Fd read_only(::open(image.path.c_str(), O_RDONLY | O_CLOEXEC));
  EXPECT_EQ(open_image(std::move(read_only), "it", {.mode = Mode::persistent}).error().what,
            "is not open for what the disk does with it");
  const std::string fifo = image.path + ".fifo";
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  EXPECT_FALSE(open_image(fifo)) << "and does not wait for a writer";
  ::unlink(fifo.c_str());
}

TEST(DevicesImage, LeavesNothingInTheFolderOfTheOverlay) {
  const ImageFile image(pattern(512, 1));
  std::string folder = testing::TempDir() + "sandstone-overlay-XXXXXX";
  ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  auto store = open_image(image.path, {.overlay_folder = folder});
  ASSERT_TRUE(store);
  EXPECT_EQ(::rmdir(folder.c_str()), 0) << "it is empty";
}

}  // namespace sandstone::devices
