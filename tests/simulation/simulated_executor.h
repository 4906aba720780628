#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "runtime/engine/executor.h"
#include "tests/simulation/fiber.h"
#include "tests/simulation/random.h"
#include "tests/simulation/simulated_clock.h"
#include "tests/simulation/trace.h"

namespace millrace::tests {

// How an executor orders what it runs. Times are virtual.
struct ScheduleSettings {
  double favour = 0;              // probability that what ran last runs again, if it can
  double spurious_wake = 0;       // a step makes a parked runnable ready for no reason
  double stall = 0;               // a step lets some milliseconds pass
  int64_t io_delay_max_us = 500;  // of a call that blocks; some take a hundred times as long
};

// Runs runnables, timers and IO work one at a time, in an order and at virtual times that the
// random numbers choose. IO work runs in fibers: other things happen in the middle of it, wherever
// it sleeps, uses a simulated file or waits for a lock. When nothing is ready, time jumps to the
// next timer. One thread; the process that it stands for may be killed, see Kill.
class SimulatedExecutor : public runtime::Executor {
 public:
  SimulatedExecutor(SimulatedClock* clock, Random* random, Trace* trace, ScheduleSettings settings);
  ~SimulatedExecutor() override;

  void Add(runtime::Runnable* runnable) override;
  void Remove(runtime::Runnable* runnable) override;
  void MakeReady(runtime::Runnable* runnable) override;
  void WakeAt(runtime::Runnable* runnable, int64_t time_ms) override;
  void RunIo(std::function<void()> work) override;
  const runtime::Clock& clock() const override { return *clock_; }

  // Does one thing. False: nothing is ready and nothing will be by itself.
  bool Step();
  // Nothing is ready or under way but timers.
  bool quiet() const;

  // ---- From within IO work (elsewhere they return at once). ----
  // Lets the time of one blocking call pass.
  void Pause();
  void Sleep(int64_t nanos);
  // Lets others go on until the lock that is waited for may be free. Also from a slice.
  void WaitForOthers();

  bool in_slice() const { return in_slice_; }

  // The process dies: from now on no slice runs, and IO work goes on only so that its stack ends;
  // whoever serves it (file system, external system) must refuse everything. Returns at once.
  void Kill() { dead_ = true; }
  bool dead() const { return dead_; }
  // Runs IO work to its end. REQUIRES: dead.
  void Bury();
  // Who waits for what.
  std::string Describe() const;

  static SimulatedExecutor* Current();

 private:
  struct Entry {
    runtime::Runnable* runnable;
    int id;
    bool ready = false;
    int64_t timer_ms = INT64_MAX;
  };
  struct Io {
    int id;
    int64_t due_nanos;
    std::unique_ptr<Fiber> fiber;
    bool waits_for_lock = false;
  };
  Entry* Find(runtime::Runnable* runnable);
  void RunEntry(runtime::Runnable* runnable);
  void RunIoWork(size_t index);
  int64_t IoDelay();

  SimulatedClock* const clock_;
  Random* const random_;
  Trace* const trace_;
  const ScheduleSettings settings_;
  std::vector<Entry> entries_;
  std::vector<std::unique_ptr<Io>> ios_;
  Io* running_io_ = nullptr;
  int next_entry_ = 0;
  int next_io_ = 0;
  int last_ran_ = -1;  // entry id
  bool in_slice_ = false;
  bool dead_ = false;
  SimulatedExecutor* const previous_;
};

}  // namespace millrace::tests
