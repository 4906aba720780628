#pragma once

#include "runtime/api/registry.h"
#include "tests/simulation/workload.h"
#include "tests/simulation/world.h"

namespace millrace::tests {

// The connector "simulated", a source of the workload's splits: its readers are slow and pause as
// the workload says, some by timers and some by IO work, and fail as often as the world's faults
// say. `first_start_ms`: of the job's first process, on the world's clock.
runtime::ConnectorInfo SimulatedConnector(SimulatedProcess* process, const Workload* work,
                                          int64_t first_start_ms);

// Makes the watermarks of that source: the greatest event time less the disorder.
runtime::WatermarkFactory SimulatedWatermarks(const Workload* work);

}  // namespace millrace::tests
