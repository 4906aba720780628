#pragma once

#include <chrono>
#include <cstdint>

namespace millrace::runtime {

// Tells the time. The one way to read it in the runtime, so that a test can run a whole job on a
// clock of its own. Thread-safe. Called at most once a batch: a read costs about 25 ns.
class Clock {
 public:
  virtual ~Clock() = default;
  // Milliseconds since 1970-01-01T00:00:00Z; may jump when the machine's clock is set.
  virtual int64_t NowMs() const = 0;
  // Nanoseconds since an arbitrary point; never goes back.
  virtual int64_t MonotonicNanos() const = 0;
  // Blocks the calling thread. Never called by an executor thread.
  virtual void SleepFor(std::chrono::nanoseconds duration) const = 0;
};

// Returns the machine's clock. Lives as long as the process.
const Clock& SystemClock();

}  // namespace millrace::runtime
