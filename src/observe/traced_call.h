// For tests: makes a real system call of this thread, with the trace around it.
#pragma once

#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <type_traits>

#include "observe/capture.h"

namespace sandstone::observe {

// By the kernel: it reads up to the first bad address, and a text is looked for in pieces that go past its
// end.
inline size_t copy_own_memory(void* to, uint64_t from, size_t length) {
  const iovec local{to, length};
  const iovec remote{reinterpret_cast<void*>(from), length};  // NOLINT(performance-no-int-to-ptr)
  const long got = ::syscall(SYS_process_vm_readv, ::getpid(), &local, 1, &remote, 1, 0);
  return got > 0 ? static_cast<size_t>(got) : 0;
}

template <typename T>
uint64_t call_word(T value) {
  if constexpr (std::is_pointer_v<T>)
    return reinterpret_cast<uint64_t>(value);
  else if constexpr (std::is_null_pointer_v<T>)
    return 0;
  else
    return static_cast<uint64_t>(value);
}

template <typename... Args>
Record traced(long number, Args... arguments) {
  Record record{};
  const uint64_t args[6] = {call_word(arguments)...};
  capture_entry(record, static_cast<uint32_t>(number), args, copy_own_memory);
  const long result = ::syscall(number, args[0], args[1], args[2], args[3], args[4], args[5]);
  capture_exit(record, result == -1 ? -errno : result, copy_own_memory);
  return record;
}

// The record of a call that is not made: `result` is what it would have given.
template <typename... Args>
Record pretended(int64_t result, long number, Args... arguments) {
  Record record{};
  const uint64_t args[6] = {call_word(arguments)...};
  capture_entry(record, static_cast<uint32_t>(number), args, copy_own_memory);
  capture_exit(record, result, copy_own_memory);
  return record;
}

}  // namespace sandstone::observe
