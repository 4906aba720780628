#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace millrace::tests {

struct SimulationOutcome {
  std::string violation;  // empty: all is as it should be
  uint64_t trace_hash = 0;
  uint64_t events = 0;
  double virtual_seconds = 0;
  std::map<std::string, int64_t> counts;  // what happened, how often
};

// Runs one job to its end on a simulated clock, disk, scheduler and external system: what happens,
// and what goes wrong meanwhile, is a function of the seed alone. The process is started again
// after each crash, stop or failure, from the newest checkpoint or savepoint that the disk still
// holds; the last one meets no faults. At the end the external system must hold exactly the
// expected rows.
SimulationOutcome RunSimulation(uint64_t seed, bool print_trace);

}  // namespace millrace::tests
