#include "observe/names.h"

#include <linux/futex.h>
#include <linux/membarrier.h>
#include <sys/mman.h>
#include <sys/random.h>

namespace sandstone::observe {
namespace {

#define N SANDSTONE_NAME

constexpr Name kProtection[] = {N(PROT_READ),    N(PROT_WRITE),     N(PROT_EXEC),
                                {8, "PROT_SEM"}, N(PROT_GROWSDOWN), N(PROT_GROWSUP)};

constexpr Name kMapKinds[] = {N(MAP_SHARED_VALIDATE), N(MAP_SHARED), N(MAP_PRIVATE)};

constexpr Name kMap[] = {N(MAP_FIXED),     N(MAP_ANONYMOUS),      N(MAP_32BIT),  N(MAP_GROWSDOWN),
                         N(MAP_DENYWRITE), N(MAP_EXECUTABLE),     N(MAP_LOCKED), N(MAP_NORESERVE),
                         N(MAP_POPULATE),  N(MAP_NONBLOCK),       N(MAP_STACK),  N(MAP_HUGETLB),
                         N(MAP_SYNC),      N(MAP_FIXED_NOREPLACE)};

constexpr Name kRemap[] = {N(MREMAP_MAYMOVE), N(MREMAP_FIXED), N(MREMAP_DONTUNMAP)};

constexpr Name kMsync[] = {N(MS_ASYNC), N(MS_INVALIDATE), N(MS_SYNC)};

constexpr Name kAdvice[] = {N(MADV_NORMAL),
                            N(MADV_RANDOM),
                            N(MADV_SEQUENTIAL),
                            N(MADV_WILLNEED),
                            N(MADV_DONTNEED),
                            N(MADV_FREE),
                            N(MADV_REMOVE),
                            N(MADV_DONTFORK),
                            N(MADV_DOFORK),
                            N(MADV_HWPOISON),
                            N(MADV_MERGEABLE),
                            N(MADV_UNMERGEABLE),
                            N(MADV_HUGEPAGE),
                            N(MADV_NOHUGEPAGE),
                            N(MADV_DONTDUMP),
                            N(MADV_DODUMP),
                            N(MADV_WIPEONFORK),
                            N(MADV_KEEPONFORK),
                            N(MADV_COLD),
                            N(MADV_PAGEOUT),
                            {22, "MADV_POPULATE_READ"},
                            {23, "MADV_POPULATE_WRITE"},
                            {24, "MADV_DONTNEED_LOCKED"},
                            {25, "MADV_COLLAPSE"}};

constexpr Name kRandom[] = {N(GRND_NONBLOCK), N(GRND_RANDOM), {4, "GRND_INSECURE"}};

constexpr Name kFutex[] = {N(FUTEX_WAIT),           N(FUTEX_WAKE),         N(FUTEX_FD),
                           N(FUTEX_REQUEUE),        N(FUTEX_CMP_REQUEUE),  N(FUTEX_WAKE_OP),
                           N(FUTEX_LOCK_PI),        N(FUTEX_UNLOCK_PI),    N(FUTEX_TRYLOCK_PI),
                           N(FUTEX_WAIT_BITSET),    N(FUTEX_WAKE_BITSET),  N(FUTEX_WAIT_REQUEUE_PI),
                           N(FUTEX_CMP_REQUEUE_PI), {13, "FUTEX_LOCK_PI2"}};

constexpr Name kMembarrier[] = {N(MEMBARRIER_CMD_QUERY),
                                N(MEMBARRIER_CMD_GLOBAL),
                                N(MEMBARRIER_CMD_GLOBAL_EXPEDITED),
                                N(MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED),
                                N(MEMBARRIER_CMD_PRIVATE_EXPEDITED),
                                N(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED),
                                N(MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE),
                                N(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE),
                                {128, "MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ"},
                                {256, "MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ"}};

#undef N

}  // namespace

namespace {

std::string flags_of_map(uint64_t flags) {
  std::string out = one_of(kMapKinds, flags & MAP_TYPE);
  if ((flags & ~uint64_t{MAP_TYPE}) != 0) out += "|" + set_of(kMap, flags & ~uint64_t{MAP_TYPE});
  return out;
}

}  // namespace

std::string futex_operation(uint64_t operation) {
  const auto word = static_cast<uint32_t>(operation);
  std::string out = one_of(kFutex, word & static_cast<uint32_t>(FUTEX_CMD_MASK));
  if ((word & FUTEX_PRIVATE_FLAG) != 0) out += "_PRIVATE";
  if ((word & FUTEX_CLOCK_REALTIME) != 0) out += "|FUTEX_CLOCK_REALTIME";
  return out;
}

std::string named_memory_word(calls::Kind kind, uint64_t value) {
  using enum calls::Kind;
  switch (kind) {
    case protection:
      return set_of(kProtection, value, "PROT_NONE");
    case map_flags:
      return flags_of_map(value);
    case remap_flags:
      return set_of(kRemap, value);
    case msync_flags:
      return set_of(kMsync, static_cast<uint32_t>(value));
    case advice:
      return one_of(kAdvice, static_cast<uint32_t>(value));
    case random_flags:
      return set_of(kRandom, static_cast<uint32_t>(value));
    case futex_operation:
      return observe::futex_operation(value);
    case membarrier_command:
      return one_of(kMembarrier, static_cast<uint32_t>(value));
    default:
      return {};
  }
}

}  // namespace sandstone::observe
