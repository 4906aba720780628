#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>

#include "runtime/api/clock.h"

namespace millrace::runtime {

// Something that runs in slices: a subtask, a job master. Never two slices at once.
class Runnable {
 public:
  virtual ~Runnable() = default;
  // Works for about a millisecond. True: there is more to do at once. False: parked until MakeReady
  // or its timer.
  virtual bool RunSlice() = 0;

 private:
  friend class ThreadedExecutor;
  friend class SimulatedExecutor;
  // kQueued..: in a ready queue; kRunningAgain: was made ready while it ran.
  enum class Schedule : int { kParked, kQueued, kRunning, kRunningAgain };
  std::atomic<Schedule> schedule_{Schedule::kParked};
  int home_ = -1;  // executor thread
};

// Gives runnables the processor. MakeReady and RunIo are thread-safe; so is WakeAt.
class Executor {
 public:
  virtual ~Executor() = default;
  // Adds a runnable (parked). It must be removed before it dies.
  virtual void Add(Runnable* runnable) = 0;
  // Takes it out; returns when it does not run and will not. Not from its own slice.
  virtual void Remove(Runnable* runnable) = 0;
  virtual void MakeReady(Runnable* runnable) = 0;
  // Makes it ready at this time of clock().NowMs() or later; an earlier pending time is replaced.
  virtual void WakeAt(Runnable* runnable, int64_t time_ms) = 0;
  // Runs `work` on a thread that may block.
  virtual void RunIo(std::function<void()> work) = 0;
  virtual const Clock& clock() const = 0;
};

// Runs on `threads` threads of its own, plus IO threads that are made as needed (at most io_threads).
std::unique_ptr<Executor> MakeThreadedExecutor(int threads, int io_threads);

// Makes a runnable ready however long it lives: safe to call after it died.
class Waker {
 public:
  Waker(Executor* executor, Runnable* runnable) : executor_(executor), runnable_(runnable) {}
  void Wake() {
    std::lock_guard lock(mutex_);
    if (runnable_ != nullptr) executor_->MakeReady(runnable_);
  }
  void Disarm() {
    std::lock_guard lock(mutex_);
    runnable_ = nullptr;
  }

 private:
  std::mutex mutex_;
  Executor* const executor_;
  Runnable* runnable_;
};

}  // namespace millrace::runtime
