#pragma once

#include "runtime/engine/job_graph.h"
#include "tests/simulation/random.h"
#include "tests/simulation/workload.h"

namespace millrace::tests {

inline constexpr const char* kCheckpointFolder = "/checkpoints";
inline constexpr const char* kStopFolder = "/stops";
inline constexpr const char* kSavepointFolder = "/savepoints";

// What stays the same over all starts of the simulated job.
struct JobShape {
  int max_parallelism = 128;
  bool third_vertex = false;  // the raw rows cross a second exchange
  bool on_event_watermarks = false;

  static JobShape Make(Random& random);
};

// simulated -> probe -> hash of key -> probe -> COUNT(*), SUM(v) by key        -> external "counts"
//                                           -> the same by key and tumbling window -> external
//                                           "windows"
//                                           -> census (-> rebalance -> probe)  -> external "raw"
// Parallelism and options are drawn anew for each start; `patient`: it puts up with every failure.
runtime::JobGraph MakeSimulatedJob(const JobShape& shape, const Workload& work, bool patient,
                                   Random& random);

}  // namespace millrace::tests
