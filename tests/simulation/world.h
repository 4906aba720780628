#pragma once

#include <map>
#include <string>

#include "runtime/types/status.h"
#include "tests/simulation/random.h"
#include "tests/simulation/simulated_clock.h"
#include "tests/simulation/simulated_executor.h"
#include "tests/simulation/trace.h"

namespace millrace::tests {

// How often things go wrong. Probabilities of one call.
struct Faults {
  double write = 0;     // a write fails or is short, a sync fails, no room is left
  double read = 0;      // opening, reading or listing fails
  double external = 0;  // a call of the external system is lost, or its answer
  double source = 0;    // a poll or a discovery fails
  double deploy = 0;    // opening an operator or a connector fails
};

// What one seed simulates, and what outlives a crash: time, chance, the trace, and what was found
// wrong.
struct World {
  World(uint64_t seed, bool print)
      : clock(seed ^ 0x5eed), schedule(seed * 3 + 1), chance(seed * 3 + 2), trace(print) {}

  void Note(std::string_view what, std::string_view text = {}, int64_t a = 0, int64_t b = 0) {
    trace.Note(clock.nanos(), what, text, a, b);
  }
  // Records that something is wrong; the first counts.
  void Violation(const std::string& what) {
    Note("WRONG", what);
    if (violation.empty()) violation = what;
  }

  SimulatedClock clock;
  Random schedule;  // of the executor
  Random chance;    // of everything else while it runs
  Trace trace;
  Faults faults;  // all 0: nothing goes wrong
  int source_failures_left = 0;
  std::string violation;
  // How often each thing happened, for those who ask whether a simulation reaches what it should.
  std::map<std::string, int64_t> counts;
};

// One process: what dies at a crash. The steps at which it dies are counted down by whoever serves
// it.
class SimulatedProcess {
 public:
  SimulatedProcess(World* world, ScheduleSettings schedule)
      : world_(world), executor_(&world->clock, &world->schedule, &world->trace, schedule) {}

  World& world() { return *world_; }
  SimulatedExecutor& executor() { return executor_; }
  bool dead() const { return executor_.dead(); }
  void Kill(std::string_view why) {
    if (dead()) return;
    world_->Note("CRASH", why);
    executor_.Kill();
  }
  // The process dies at the `calls`-th call from now of the file system or the external system.
  void KillAfterCalls(int64_t calls) { calls_left_ = calls; }

  // Begins a call that blocks: lets time pass. False: the process is dead, the call must have no
  // effect.
  bool BeginCall(std::string_view what, std::string_view text, int64_t a = 0, int64_t b = 0) {
    if (dead()) return false;
    if (executor_.in_slice()) {
      world_->Violation("a call that blocks was made in a slice: " + std::string(what) + " " +
                        std::string(text));
    }
    if (calls_left_ > 0 && --calls_left_ == 0) Kill(what);
    executor_.Pause();
    if (dead()) return false;
    world_->Note(what, text, a, b);
    return true;
  }
  static runtime::Status Dead() { return runtime::Status::External("the process is dead"); }

 private:
  World* const world_;
  SimulatedExecutor executor_;
  int64_t calls_left_ = 0;
};

}  // namespace millrace::tests
