#pragma once

#include "tests/simulation/external_system.h"
#include "tests/simulation/workload.h"

namespace millrace::tests {

// Compares what the external system shows with what the job should have made of its source, as
// multisets; what differs is a violation. `drained`: the source was ended early, so that rows are
// missing at the end of splits, in all sinks alike.
void CheckOutput(World* world, const Workload& work, const ExternalSystem& external, bool drained);

}  // namespace millrace::tests
