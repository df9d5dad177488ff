#include "runtime/patch.h"

namespace sandstone::runtime {
namespace {

constexpr uint64_t kPrivate = 2, kFixed = 0x10, kFixedNoReplace = 0x100000;
constexpr uint64_t kReadExecute = 5;
constexpr long kFutexWait = 0, kFutexWake = 1;
// Trampolines must be within 2 GiB of their text, and where nothing else is likely to be: below it, where
// there is room.
constexpr int64_t kDistance = 512 << 20;

// What this process has mapped.
struct Mapped {
  uint64_t text, size;
  uint64_t trampolines, all;  // the tables follow the trampolines
  const Patch* patch;
};
constexpr unsigned kMost = 256;
__attribute__((section(".bss.many"))) Mapped mapped[kMost];
unsigned count;

PatchTable& table() {
  return *pointer<PatchTable>(kPatches);
}

const Patch* find(const PatchKey& key) {
  const uint32_t known = __atomic_load_n(&table().count, __ATOMIC_ACQUIRE);
  for (uint32_t i = 0; i < known && i < kMostPatches; ++i)
    if (table().patches[i].key == key) return &table().patches[i];
  return nullptr;
}

// Asks the kernel's process. One at a time; what takes too long is left as it is, and traps.
const Patch* request(Thread* thread, const PatchKey& key, uint64_t fd) {
  PatchTable& to = table();
  uint32_t expected = 0;
  for (int tries = 0;
       !__atomic_compare_exchange_n(&to.lock, &expected, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
       ++tries) {
    if (tries > 200) return nullptr;
    const struct {
      int64_t seconds, nanoseconds;
    } part{0, 5'000'000};
    host(SYS_futex, word(&to.lock), kFutexWait, 1, word(&part));
    expected = 0;
  }
  if (const Patch* made = find(key); made == nullptr) {
    to.wanted = key;
    to.pid = static_cast<int32_t>(library(thread, SYS_getpid));
    to.fd = static_cast<int32_t>(fd);
    const uint32_t before = __atomic_load_n(&to.answered, __ATOMIC_ACQUIRE);
    __atomic_fetch_add(&to.asked, 1, __ATOMIC_RELEASE);
    host(SYS_futex, word(&to.asked), kFutexWake, 1);
    for (int tries = 0; tries < 100 && __atomic_load_n(&to.answered, __ATOMIC_ACQUIRE) == before; ++tries) {
      const struct {
        int64_t seconds, nanoseconds;
      } part{0, 100'000'000};
      host(SYS_futex, word(&to.answered), kFutexWait, before, word(&part));
    }
  }
  __atomic_store_n(&to.lock, 0, __ATOMIC_RELEASE);
  host(SYS_futex, word(&to.lock), kFutexWake, 1);
  return find(key);
}

struct Stat {
  uint64_t device, inode, links;
  uint32_t mode, uid, gid, unused;
  uint64_t special, size, block, blocks, accessed, accessed_part, modified, modified_part, changed,
      changed_part;
  uint64_t reserved[3];
};

long map_patch(uint64_t at, uint64_t size, uint64_t protection, uint64_t flags, uint64_t offset) {
  return host(SYS_mmap, static_cast<long>(at), static_cast<long>(size), static_cast<long>(protection),
              static_cast<long>(kPrivate | flags), boot.patches_fd, static_cast<long>(offset));
}

const Mapped* with_trampoline(uint64_t ip) {
  for (unsigned i = 0; i < count; ++i)
    if (ip - mapped[i].trampolines < mapped[i].patch->trampolines_size) return &mapped[i];
  return nullptr;
}

const Mapped* with_text(uint64_t ip) {
  for (unsigned i = 0; i < count; ++i)
    if (ip - mapped[i].text < mapped[i].size) return &mapped[i];
  return nullptr;
}

uint64_t translate(const Mapped& in, const PatchMove* moves, uint32_t size, uint64_t ip) {
  const auto wanted = static_cast<int32_t>(static_cast<int64_t>(ip - in.text));
  uint32_t low = 0, high = size;
  while (low < high) {
    const uint32_t middle = (low + high) / 2;
    if (moves[middle].from < wanted)
      low = middle + 1;
    else
      high = middle;
  }
  return low < size && moves[low].from == wanted
             ? in.text + static_cast<uint64_t>(static_cast<int64_t>(moves[low].to))
             : ip;
}

const PatchMove* tables(const Mapped& in) {
  return pointer<const PatchMove>(in.trampolines + in.patch->trampolines_size);
}

}  // namespace

bool patch(Thread* thread, uint64_t at, uint64_t size, uint64_t fd, uint64_t offset, uint64_t protection) {
  if (boot.mode != Mode::rewrite || protection != kReadExecute || count == kMost) return false;
  Stat stat;
  if (library(thread, SYS_fstat, fd, reinterpret_cast<uint64_t>(&stat)) < 0) return false;
  const int64_t distance = at > 2 * static_cast<uint64_t>(kDistance) ? -kDistance : kDistance;
  const PatchKey key{stat.device,
                     stat.inode,
                     stat.size,
                     stat.modified * 1'000'000'000 + stat.modified_part,
                     stat.changed * 1'000'000'000 + stat.changed_part,
                     offset,
                     size,
                     distance};
  const Patch* made = find(key);
  if (made == nullptr) made = request(thread, key, fd);
  if (made == nullptr || made->trampolines_size == 0) return false;
  const uint64_t trampolines = at + static_cast<uint64_t>(distance);
  // The tables with them, in one mapping: executable as well, as is whatever file a guest likes.
  const uint64_t all = made->trampolines_size + made->tables_size;
  if (map_patch(trampolines, all, kReadExecute, kFixedNoReplace, made->trampolines) !=
      static_cast<long>(trampolines))
    return false;
  if (map_patch(at, size, kReadExecute, kFixed, made->at) != static_cast<long>(at)) {
    host(SYS_munmap, static_cast<long>(trampolines), static_cast<long>(all));
    return false;
  }
  mapped[count] = {at, size, trampolines, all, made};
  __atomic_store_n(&count, count + 1, __ATOMIC_RELEASE);
  return true;
}

void forget_patches(uint64_t at, uint64_t size) {
  for (unsigned i = 0; i < count;) {
    if (mapped[i].text < at || mapped[i].text + mapped[i].size > at + size) {
      ++i;
      continue;
    }
    host(SYS_munmap, static_cast<long>(mapped[i].trampolines), static_cast<long>(mapped[i].all));
    mapped[i] = mapped[count - 1];
    __atomic_store_n(&count, count - 1, __ATOMIC_RELEASE);
  }
}

void forget_all_patches() {
  count = 0;
}

uint64_t original_address(uint64_t ip) {
  const Mapped* in = with_trampoline(ip);
  if (in == nullptr) in = with_text(ip);  // an island is in the text
  return in == nullptr ? ip : translate(*in, tables(*in), in->patch->moved, ip);
}

uint64_t resume_address(uint64_t ip) {
  const Mapped* in = with_text(ip);
  return in == nullptr ? ip : translate(*in, tables(*in) + in->patch->moved, in->patch->displaced, ip);
}

}  // namespace sandstone::runtime
