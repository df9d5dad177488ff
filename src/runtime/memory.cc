#include "runtime/memory.h"

#include <initializer_list>

#include "runtime/patch.h"

namespace sandstone::runtime {
namespace {

constexpr uint64_t kEnd = 0x7ffffffff000;
constexpr uint64_t kShared = 1, kPrivate = 2, kSharedValidate = 3, kTypeMask = 0xf, kFixed = 0x10,
                   kAnonymous = 0x20, kGrowsDown = 0x100, kLocked = 0x2000, kNoReserve = 0x4000,
                   kPopulate = 0x8000, kStack = 0x20000, kHuge = 0x40000, kFixedNoReplace = 0x100000;
constexpr uint64_t kRead = 1, kWrite = 2, kExecute = 4;
constexpr uint64_t kMayMove = 1, kRemapFixed = 2, kDontUnmap = 4;
constexpr uint64_t kDontNeed = 4, kRemove = 9, kDoFork = 11, kDontFork = 10;

// So many pages of a file are mapped at once, the others as they are touched.
constexpr uint64_t kAtOnce = 64, kAtOnceOfText = 256;

uint64_t heap_start, heap_end;
bool has_files;  // whether the library kernel has mappings for this process at all

bool overlaps(uint64_t at, uint64_t size, uint64_t start, uint64_t end) {
  return at < end && start < at + size;
}

// Whether a guest may have something there, or take it away.
bool is_guests(uint64_t at, uint64_t size) {
  return at + size >= at && at + size <= kEnd && !overlaps(at, size, LIB_RESERVED, LIB_END) &&
         !overlaps(at, size, boot.kept_start, boot.kept_end);
}

long host_map(uint64_t at, uint64_t size, uint64_t protection, uint64_t flags, long fd, uint64_t offset) {
  return host(SYS_mmap, static_cast<long>(at), static_cast<long>(size), static_cast<long>(protection),
              static_cast<long>(flags), fd, static_cast<long>(offset));
}

bool failed(long result) {
  return result < 0 && result > -4096;
}

// Maps the library kernel's memory from a physical address on. By notification nobody has its file open, but
// a part of it is mapped, the window: there what is mapped shared is mapped once more.
long map_memory(uint64_t at, uint64_t size, uint64_t protection, uint64_t flags, uint64_t physical) {
  if (!by_notification()) return host_map(at, size, protection, flags | kFixed, boot.memory_fd, physical);
  if (physical < boot.memory_size) return -kEfault;
  if (const long mapped = host(SYS_mremap, static_cast<long>(LIB_BASE + physical), 0, static_cast<long>(size),
                               kMayMove | kRemapFixed, static_cast<long>(at));
      failed(mapped))
    return mapped;
  return host(SYS_mprotect, static_cast<long>(at), static_cast<long>(size), static_cast<long>(protection));
}

// Maps up to `count` pages of the file that is mapped at `at`. How many there were, or -errno.
long fill(Thread* thread, uint64_t at, uint64_t count, uint64_t protection, bool shared) {
  uint64_t done = 0;
  uint64_t physical[LIB_MOST_PAGES];
  const bool write = shared && (protection & kWrite) != 0;
  while (done < count) {
    const uint64_t part = count - done < LIB_MOST_PAGES ? count - done : LIB_MOST_PAGES;
    const long got = library(thread, LIB_CALL_PAGES, at + done * kPage, part, write ? 1 : 0,
                             reinterpret_cast<uint64_t>(physical));
    if (got < 0 && done == 0) return got;
    if (got <= 0) break;
    for (long i = 0; i < got;) {
      long run = 1;
      while (i + run < got && physical[i + run] == physical[i] + static_cast<uint64_t>(run) * kPage) ++run;
      if (failed(map_memory(at + (done + static_cast<uint64_t>(i)) * kPage,
                            static_cast<uint64_t>(run) * kPage, protection, shared ? kShared : kPrivate,
                            physical[i])))
        return static_cast<long>(done) + i;
      i += run;
    }
    done += static_cast<uint64_t>(got);
    if (static_cast<uint64_t>(got) < part) break;
  }
  return static_cast<long>(done);
}

// A mapping beyond the end of the memory file: whoever touches it, whatever its protection, gets SIGBUS, and
// then the page.
long reserve_file(uint64_t at, uint64_t size, uint64_t protection, bool shared) {
  return map_memory(at, size, protection, (shared ? kShared : kPrivate) | kNoReserve,
                    boot.memory_size + boot.window_size);
}

// The first pages of the file that is mapped at `at`, `most` of them or all of a mapping that has no more, and a
// reservation for the rest.
long cover(Thread* thread, uint64_t at, uint64_t size, uint64_t most, uint64_t protection, bool shared) {
  const uint64_t pages = size / kPage;
  const long filled = fill(thread, at, pages < most ? pages : most, protection, shared);
  if (filled == -kEnodev) return filled;  // it is none whose pages can be had
  // Nothing is there yet of a file that is empty.
  const uint64_t done = filled < 0 ? 0 : static_cast<uint64_t>(filled) * kPage;
  return done < size ? reserve_file(at + done, size - done, protection, shared) : 0;
}

// By notification no guest has the library kernel's pages, but those of files that are mapped shared: a
// private mapping of a file is a copy, read at once.
long copy_file(Thread* thread, uint64_t at, uint64_t size, uint64_t protection, uint64_t fd,
               uint64_t offset) {
  if (const long made =
          host_map(at, size, kRead | kWrite, kPrivate | kAnonymous | kFixed | kNoReserve, -1, 0);
      failed(made))
    return made;
  for (uint64_t done = 0; done < size;) {
    const long got = library(thread, SYS_pread64, fd, at + done, size - done, offset + done);
    if (got <= 0) break;
    done += static_cast<uint64_t>(got);
  }
  return protection == (kRead | kWrite) ? 0
                                        : host(SYS_mprotect, static_cast<long>(at), static_cast<long>(size),
                                               static_cast<long>(protection));
}

long map_file(Thread* thread, uint64_t at, uint64_t size, uint64_t protection, uint64_t flags, uint64_t fd,
              uint64_t offset) {
  const bool shared = (flags & kTypeMask) != kPrivate;
  const bool fixed = (flags & (kFixed | kFixedNoReplace)) != 0;
  if (!fixed || (flags & kFixedNoReplace) != 0) {
    // The host chooses the place.
    const long place =
        host_map(at, size, 0, kPrivate | kAnonymous | kNoReserve | (flags & kFixedNoReplace), -1, 0);
    if (failed(place)) return place;
    at = static_cast<uint64_t>(place);
  }
  const uint64_t passed = (flags & ~(kFixedNoReplace | kPopulate | kLocked | kNoReserve)) | kFixed;
  const long mapped = library(thread, SYS_mmap, at, size, protection, passed, fd, offset);
  if (failed(mapped)) {
    if (!fixed) host(SYS_munmap, static_cast<long>(at), static_cast<long>(size));
    return mapped;
  }
  has_files = true;
  const bool is_copy = by_notification() && !shared;
  const bool is_patched = !is_copy && !shared && patch(thread, at, size, fd, offset, protection);
  const uint64_t most = (flags & kPopulate) != 0       ? size / kPage
                        : (protection & kExecute) != 0 ? kAtOnceOfText
                                                       : kAtOnce;
  const long covered = is_copy      ? copy_file(thread, at, size, protection, fd, offset)
                       : is_patched ? 0
                                    : cover(thread, at, size, most, protection, shared);
  if (failed(covered)) {
    library(thread, SYS_munmap, at, size);
    host(SYS_munmap, static_cast<long>(at), static_cast<long>(size));  // and what was there before
    return covered;
  }
  return static_cast<long>(at);
}

// The file's mapping at `at`, cut to [at, at + size).
bool area_in(Thread* thread, uint64_t at, uint64_t size, lib_area& area) {
  if (!has_files || library(thread, LIB_CALL_AREA, at, reinterpret_cast<uint64_t>(&area)) < 0) return false;
  if (area.start >= at + size) return false;
  if (area.start < at) {
    area.offset += at - area.start;
    area.start = at;
  }
  if (area.end > at + size) area.end = at + size;
  return true;
}

uint64_t protection_of(const lib_area& area) {
  return (area.readable != 0 ? 1U : 0U) | (area.writable != 0 ? 2U : 0U) | (area.executable != 0 ? 4U : 0U);
}

// Writable code is what a policy may forbid: the guest could write what no file holds, and run it.
bool forbids(uint64_t protection) {
  return boot.allow_writable_code == 0 && (protection & (kWrite | kExecute)) == (kWrite | kExecute);
}

// Memory of no file is the host's; the library kernel is told of it for /proc/PID/maps, and for the limits on it.
// False: a limit is reached. A stack is all that it may become, which nobody counts.
bool tell(Thread* thread, uint64_t at, uint64_t size, uint64_t protection, uint64_t flags) {
  const long told = library(thread, SYS_mmap, at, size, protection & (kRead | kWrite | kExecute),
                            kPrivate | kAnonymous | kFixed | kNoReserve, ~uint64_t{0}, 0);
  return told != -kEnomem || (flags & kStack) != 0;
}

struct Locked {
  Locked() { memory_lock.lock(); }
  ~Locked() { memory_lock.unlock(); }
};

}  // namespace

long map(Thread* thread, uint64_t at, uint64_t size, uint64_t protection, uint64_t flags, uint64_t fd,
         uint64_t offset) {
  if (size == 0 || offset % kPage != 0) return -kEinval;
  size = page_up(size);
  if (size == 0) return -kEnomem;
  if (forbids(protection)) return -kEacces;
  if ((flags & (kFixed | kFixedNoReplace)) != 0) {
    if (at % kPage != 0) return -kEinval;
    if (!is_guests(at, size)) return -kEnomem;
  } else {
    at = page_down(at);
    if (!is_guests(at, size)) at = 0;
  }
  const Locked locked;
  if ((flags & kAnonymous) == 0) return map_file(thread, at, size, protection, flags, fd, offset);
  const long result = host_map(at, size, protection, flags & ~kHuge, -1, 0);
  if (failed(result) || tell(thread, static_cast<uint64_t>(result), size, protection, flags)) return result;
  host(SYS_munmap, result, static_cast<long>(size));
  return -kEnomem;
}

long unmap(Thread* thread, uint64_t at, uint64_t size) {
  if (at % kPage != 0 || size == 0) return -kEinval;
  size = page_up(size);
  if (!is_guests(at, size)) return -kEinval;
  const Locked locked;
  const long result = host(SYS_munmap, static_cast<long>(at), static_cast<long>(size));
  if (has_files) forget_patches(at, size);
  if (!failed(result)) library(thread, SYS_munmap, at, size);
  return result;
}

long protect(Thread* thread, uint64_t at, uint64_t size, uint64_t protection) {
  if (at % kPage != 0) return -kEinval;
  size = page_up(size);
  if (!is_guests(at, size)) return -kEnomem;
  if (forbids(protection)) return -kEacces;
  const Locked locked;
  lib_area area{};
  for (uint64_t from = at; from < at + size && area_in(thread, from, at + size - from, area);
       from = area.end) {
    const long allowed = library(thread, SYS_mprotect, area.start, area.end - area.start, protection & 7);
    if (allowed < 0) return allowed;
    // Pages that were given out to be read only.
    if (area.shared != 0 && area.writable == 0 && (protection & kWrite) != 0)
      reserve_file(area.start, area.end - area.start, protection, true);
  }
  const long result =
      host(SYS_mprotect, static_cast<long>(at), static_cast<long>(size), static_cast<long>(protection));
  if (!failed(result)) library(thread, SYS_mprotect, at, size, protection & (kRead | kWrite | kExecute));
  return result;
}

namespace {

// Moves the pages of a private mapping, written or not, one by one: they may be so many mappings of the
// host's. Those that nobody wrote are the file's, and are asked for again, so that they stay.
void take_along(Thread* thread, uint64_t from, uint64_t size, uint64_t to) {
  for (uint64_t at = 0; at < size; at += kPage)
    host(SYS_mremap, static_cast<long>(from + at), kPage, kPage, kMayMove | kRemapFixed,
         static_cast<long>(to + at));
  uint64_t physical[LIB_MOST_PAGES];
  for (uint64_t at = 0; at < size;) {
    const uint64_t left = (size - at) / kPage;
    const long got = library(thread, LIB_CALL_PAGES, to + at, left < LIB_MOST_PAGES ? left : LIB_MOST_PAGES,
                             0, reinterpret_cast<uint64_t>(physical));
    if (got <= 0) break;
    at += static_cast<uint64_t>(got) * kPage;
  }
}

// A file's mapping consists of many of the host's, which it will not move in one.
long remap_file(Thread* thread, const lib_area& area, uint64_t at, uint64_t old_size, uint64_t size,
                uint64_t flags, uint64_t wanted) {
  if (area.end < at + (old_size < size ? old_size : size)) return -kEfault;
  const uint64_t protection = protection_of(area);
  const bool shared = area.shared != 0;
  if (size <= old_size && (flags & kRemapFixed) == 0) {
    if (size < old_size) {
      host(SYS_munmap, static_cast<long>(at + size), static_cast<long>(old_size - size));
      library(thread, SYS_munmap, at + size, old_size - size);
    }
    return static_cast<long>(at);
  }
  if ((flags & kMayMove) == 0) return -kEnomem;
  uint64_t to = wanted;
  if ((flags & kRemapFixed) == 0) {
    const long place = host_map(0, size, 0, kPrivate | kAnonymous | kNoReserve, -1, 0);
    if (failed(place)) return place;
    to = static_cast<uint64_t>(place);
  }
  const long moved = library(thread, SYS_mremap, at, old_size, size, kMayMove | kRemapFixed, to);
  if (failed(moved)) {
    if ((flags & kRemapFixed) == 0) host(SYS_munmap, static_cast<long>(to), static_cast<long>(size));
    return moved;
  }
  const long reserved = reserve_file(to, size, protection, shared);
  // A private page may have been written, and then is nowhere else.
  const bool keeps = !shared && !failed(reserved);
  if (keeps) take_along(thread, at, old_size < size ? old_size : size, to);
  host(SYS_munmap, static_cast<long>(at), static_cast<long>(old_size));
  return failed(reserved) ? reserved : moved;
}

// A copy moves like any memory. What it would grow by is not there.
long remap_copy(Thread* thread, uint64_t at, uint64_t old_size, uint64_t size, uint64_t flags,
                uint64_t wanted) {
  if (size > old_size) return -kEnomem;
  const long moved = host(SYS_mremap, static_cast<long>(at), static_cast<long>(old_size),
                          static_cast<long>(size), static_cast<long>(flags), static_cast<long>(wanted));
  if (failed(moved)) return moved;
  const auto to = static_cast<uint64_t>(moved);
  if (to != at)
    library(thread, SYS_mremap, at, old_size, size, kMayMove | kRemapFixed, to);
  else if (size < old_size)
    library(thread, SYS_munmap, at + size, old_size - size);
  return moved;
}

}  // namespace

long remap(Thread* thread, uint64_t at, uint64_t old_size, uint64_t size, uint64_t flags, uint64_t wanted) {
  if (at % kPage != 0 || size == 0 || (flags & ~(kMayMove | kRemapFixed | kDontUnmap)) != 0) return -kEinval;
  old_size = page_up(old_size);
  size = page_up(size);
  if (!is_guests(at, old_size == 0 ? kPage : old_size)) return -kEfault;
  if ((flags & kRemapFixed) != 0 && (wanted % kPage != 0 || !is_guests(wanted, size))) return -kEinval;
  const Locked locked;
  lib_area area{};
  if (area_in(thread, at, old_size == 0 ? kPage : old_size, area) && area.start == at)
    return by_notification() && area.shared == 0
               ? remap_copy(thread, at, old_size, size, flags, wanted)
               : remap_file(thread, area, at, old_size, size, flags, wanted);
  const long result = host(SYS_mremap, static_cast<long>(at), static_cast<long>(old_size),
                           static_cast<long>(size), static_cast<long>(flags), static_cast<long>(wanted));
  if (failed(result)) return result;
  const auto to = static_cast<uint64_t>(result);
  const uint64_t moves = to == at ? 0 : kMayMove | kRemapFixed | (flags & kDontUnmap);
  if (failed(library(thread, SYS_mremap, at, old_size, size, moves, to)) && to != at)
    library(thread, SYS_munmap, to, size);
  return result;
}

long advise(Thread* thread, uint64_t at, uint64_t size, uint64_t advice) {
  if (!is_guests(at, page_up(size))) return -kEnomem;
  if (advice == kDoFork || advice == kDontFork)
    return 0;  // of the library kernel's pages, none may be left out
  lib_area area{};
  const Locked locked;
  if (advice == kRemove && area_in(thread, at, page_up(size), area))
    return -kEinval;  // it would be the kernel's memory
  if (advice == kDontNeed && by_notification() && area_in(thread, at, page_up(size), area) &&
      area.shared == 0)
    return 0;  // a copy cannot be read again
  return host(SYS_madvise, static_cast<long>(at), static_cast<long>(size), static_cast<long>(advice));
}

long sync_memory(Thread* thread, uint64_t at, uint64_t size, uint64_t flags) {
  if (at % kPage != 0 || (flags & ~uint64_t{7}) != 0 || (flags & 5) == 5) return -kEinval;
  size = page_up(size);
  if (!is_guests(at, size)) return -kEnomem;
  lib_area area{};
  for (uint64_t from = at; from < at + size && area_in(thread, from, at + size - from, area);
       from = area.end) {
    // Nobody but the host saw what was written: all that could be is dirty.
    uint64_t physical[LIB_MOST_PAGES];
    for (uint64_t page = area.start; area.shared != 0 && area.writable != 0 && page < area.end;
         page += LIB_MOST_PAGES * kPage) {
      const uint64_t left = (area.end - page) / kPage;
      library(thread, LIB_CALL_PAGES, page, left < LIB_MOST_PAGES ? left : LIB_MOST_PAGES, 1,
              reinterpret_cast<uint64_t>(physical));
    }
    const long done = library(thread, SYS_msync, area.start, area.end - area.start, flags);
    if (done < 0) return done;
  }
  return 0;
}

// A segment is a shared mapping of a file that only the library kernel has.
long attach(Thread* thread, uint64_t id, uint64_t at, uint64_t flags) {
  constexpr uint64_t kReadOnly = 010000, kRound = 020000, kReplace = 040000, kExecutable = 0100000,
                     kStatus = 2;
  struct {
    uint64_t permissions[6], size, others[7];
  } segment{};
  if ((flags & kRound) != 0) at = page_down(at);
  if (at % kPage != 0 || (at == 0 && (flags & kReplace) != 0)) return -kEinval;
  const uint64_t protection =
      kRead | ((flags & kReadOnly) != 0 ? 0 : kWrite) | ((flags & kExecutable) != 0 ? kExecute : 0);
  if (forbids(protection)) return -kEacces;
  const Locked locked;
  if (const long known = library(thread, SYS_shmctl, id, kStatus, reinterpret_cast<uint64_t>(&segment));
      known < 0)
    return known;
  const uint64_t size = page_up(segment.size);
  const bool chosen = at == 0;
  if (chosen) {
    const long place = host_map(0, size, 0, kPrivate | kAnonymous | kNoReserve, -1, 0);
    if (failed(place)) return place;
    at = static_cast<uint64_t>(place);
  } else if (!is_guests(at, size)) {
    return -kEinval;
  }
  long result = library(thread, SYS_shmat, id, at, flags);
  const bool attached = !failed(result);
  if (attached) {
    has_files = true;
    const long covered = cover(thread, at, size, kAtOnce, protection, true);
    if (!failed(covered)) return result;
    library(thread, SYS_shmdt, at);
    result = covered;
  }
  if (chosen || attached) host(SYS_munmap, static_cast<long>(at), static_cast<long>(size));
  return result;
}

long detach(Thread* thread, uint64_t at) {
  const Locked locked;
  // To where it goes on without a gap: mprotect(2) may have cut it.
  uint64_t end = at, offset = 0;
  lib_area area{};
  while (area_in(thread, end, kEnd - end, area) && area.start == end && area.offset == offset) {
    offset += area.end - area.start;
    end = area.end;
  }
  const long result = library(thread, SYS_shmdt, at);
  if (!failed(result) && end > at) host(SYS_munmap, static_cast<long>(at), static_cast<long>(end - at));
  return result;
}

long set_break(Thread* thread, uint64_t wanted) {
  const Locked locked;
  const uint64_t old = page_up(heap_end);
  const uint64_t top = page_up(wanted);
  if (wanted < heap_start || !is_guests(heap_start, top - heap_start)) return static_cast<long>(heap_end);
  if (top > old) {
    const long grown = host_map(old, top - old, 3, kPrivate | kAnonymous | kFixedNoReplace, -1, 0);
    if (failed(grown)) return static_cast<long>(heap_end);
    // A host that does not know the flag; or a limit.
    if (static_cast<uint64_t>(grown) != old || !tell(thread, old, top - old, kRead | kWrite, 0)) {
      host(SYS_munmap, grown, static_cast<long>(top - old));
      return static_cast<long>(heap_end);
    }
  } else if (top < old) {
    host(SYS_munmap, static_cast<long>(top), static_cast<long>(old - top));
    library(thread, SYS_munmap, top, old - top);
  }
  heap_end = wanted;
  return static_cast<long>(heap_end);
}

bool map_file_page(Thread* thread, uint64_t where, bool in_guest) {
  const uint64_t at = page_down(where);
  if (!has_files || !is_guests(at, kPage)) return false;
  if (!by_notification()) return library(thread, LIB_CALL_TOUCH, where) > 0;
  if (in_guest) memory_lock.lock();
  lib_area area{};
  const bool mapped = area_in(thread, at, kAtOnce * kPage, area) && area.start == at && area.shared != 0 &&
                      fill(thread, at, (area.end - at) / kPage, protection_of(area), true) > 0;
  if (in_guest) memory_lock.unlock();
  return mapped;
}

bool touch_arguments(const uint64_t* r) {
  bool touched = false;
  for (const int each : {RDI, RSI, RDX, R10, R8, R9}) {
    uint8_t byte = 0;
    touched = (is_guests(r[each], 1) && guarded_copy(&byte, pointer(r[each]), 1)) || touched;
  }
  return touched;
}

void forget_all() {
  const auto drop = [](uint64_t start, uint64_t end) {
    host(SYS_munmap, static_cast<long>(start), static_cast<long>(end - start));
  };
  drop(0, LIB_RESERVED);
  drop(LIB_END, boot.kept_start);
  drop(boot.kept_end, kEnd);
  heap_start = heap_end = 0;
  has_files = false;
  forget_all_patches();
}

void start_break(uint64_t start) {
  heap_start = heap_end = start;
}

}  // namespace sandstone::runtime
