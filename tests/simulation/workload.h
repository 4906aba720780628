#pragma once

#include <map>
#include <string>
#include <vector>

#include "runtime/types/logical_type.h"
#include "tests/simulation/random.h"

namespace millrace::tests {

// One row of the simulated source: a function of the seed, its split and its place in it.
struct SimulatedRow {
  std::string key;
  int64_t value;    // one for each key
  int64_t time_ms;  // event time
};

struct SimulatedSplit {
  int64_t rows = 0;
  int parent = -1;            // is found when that one has been read to its end
  int64_t appears_ms = 0;     // is found so long after the job was first started
  int64_t most_pause_ms = 0;  // between two batches
  int64_t time_from_ms = 0;   // least event time, but for disorder
  int64_t closes_ms = 0;      // stays open, without rows, until so long after the start
};

// What the source holds, and what the job must make of it.
struct Workload {
  uint64_t seed = 0;
  int keys = 1;
  int64_t step_ms = 10;     // of event time between two rows of a split
  int64_t disorder_ms = 0;  // how much earlier than that a row may be
  int64_t window_ms = 1000;
  int splits_found_later = 0;
  bool discovers_by_time = false;  // else only at the start and when a split was read to its end
  int64_t idle_timeout_ms = 0;     // 0: none; else a split may be taken for idle and then be late
  std::vector<SimulatedSplit> splits;

  static Workload Make(uint64_t seed);
  SimulatedRow Row(int split, int64_t offset) const;
  int64_t rows() const;
  // A channel that was idle for want of splits says that it is active again behind what stands
  // before it, perhaps a barrier that is being aligned: another may raise the watermark first. So
  // rows of a second split found later may be late; and those of any where splits are taken for
  // idle.
  bool rows_may_be_late() const { return idle_timeout_ms > 0 || splits_found_later > 1; }
  // The expected rows of each sink, sorted, if these were the rows read of each split (drain:
  // fewer).
  std::map<std::string, std::vector<std::string>> Expected(const std::vector<int64_t>& read) const;
};

// Columns of the source: key, value, event time, split, offset.
const runtime::RowType& SourceRowType();

}  // namespace millrace::tests
