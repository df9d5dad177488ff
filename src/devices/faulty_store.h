// FaultyStore: a Store that fails when it is told to, from any thread, for tests of what is above it.
#pragma once

#include <array>
#include <memory>
#include <mutex>
#include <utility>

#include "devices/store.h"

namespace sandstone::devices {

class FaultyStore final : public Store {
 public:
  enum class Call : uint8_t { read, write, discard, zero, flush };

  explicit FaultyStore(std::unique_ptr<Store> inner) : inner_(std::move(inner)) {}

  // Any thread. From the `nth` call of this kind on (1: the next one), `times` of them fail with `error` and
  // do nothing.
  void fail(Call call, int error, unsigned nth = 1, unsigned times = 1) {
    const std::lock_guard lock(mutex_);
    plans_[static_cast<size_t>(call)] = {error, nth - 1, times};
  }
  [[nodiscard]] unsigned calls(Call call) const {
    const std::lock_guard lock(mutex_);
    return calls_[static_cast<size_t>(call)];
  }

  [[nodiscard]] uint64_t size() const override { return inner_->size(); }
  [[nodiscard]] bool writable() const override { return inner_->writable(); }
  int read(uint64_t offset, std::span<const iovec> to) override {
    const int error = fault(Call::read);
    return error != 0 ? error : inner_->read(offset, to);
  }
  int write(uint64_t offset, std::span<const iovec> from) override {
    const int error = fault(Call::write);
    return error != 0 ? error : inner_->write(offset, from);
  }
  int discard(uint64_t offset, uint64_t length) override {
    const int error = fault(Call::discard);
    return error != 0 ? error : inner_->discard(offset, length);
  }
  int zero(uint64_t offset, uint64_t length, bool may_unmap) override {
    const int error = fault(Call::zero);
    return error != 0 ? error : inner_->zero(offset, length, may_unmap);
  }
  int flush() override {
    const int error = fault(Call::flush);
    return error != 0 ? error : inner_->flush();
  }

 private:
  struct Plan {
    int error = 0;
    unsigned wait = 0;
    unsigned times = 0;
  };
  int fault(Call call) {
    const std::lock_guard lock(mutex_);
    ++calls_[static_cast<size_t>(call)];
    Plan& plan = plans_[static_cast<size_t>(call)];
    if (plan.wait > 0) {
      --plan.wait;
      return 0;
    }
    if (plan.times == 0) return 0;
    --plan.times;
    return plan.error;
  }

  std::unique_ptr<Store> inner_;
  mutable std::mutex mutex_;  // the device's thread meets the test's
  std::array<Plan, 5> plans_{};
  std::array<unsigned, 5> calls_{};
};

}  // namespace sandstone::devices
