#pragma once

#include <functional>

#include "runtime/api/clock.h"
#include "tests/simulation/random.h"

namespace millrace::tests {

// Tells a time that nothing but the simulation moves. Reading MonotonicNanos costs a little of it,
// as work does: so slices end at places that the seed chooses.
class SimulatedClock : public runtime::Clock {
 public:
  explicit SimulatedClock(uint64_t seed) : random_(seed) {}
  static constexpr int64_t kStartMs = 1'700'000'000'000;

  int64_t NowMs() const override { return kStartMs + nanos_ / 1'000'000; }
  int64_t MonotonicNanos() const override {
    nanos_ += static_cast<int64_t>(random_.Below(read_costs_nanos_));
    return nanos_;
  }
  void SleepFor(std::chrono::nanoseconds duration) const override { sleep_(duration.count()); }

  int64_t nanos() const { return nanos_; }
  void Advance(int64_t nanos) { nanos_ += nanos; }
  void AdvanceTo(int64_t nanos) {
    if (nanos > nanos_) nanos_ = nanos;
  }
  void set_sleep(std::function<void(int64_t)> sleep) { sleep_ = std::move(sleep); }
  void set_read_costs_nanos(uint64_t nanos) { read_costs_nanos_ = nanos; }

 private:
  mutable Random random_;
  mutable int64_t nanos_ = 0;
  uint64_t read_costs_nanos_ = 100'000;
  std::function<void(int64_t)> sleep_;
};

}  // namespace millrace::tests
