#pragma once

#include "runtime/api/registry.h"
#include "tests/simulation/workload.h"
#include "tests/simulation/world.h"

namespace millrace::tests {

// The operator "probe": passes rows on, in pieces and with pauses, and says what it sees of the
// contract of Operator broken: a watermark that goes back, a row that is late, a barrier out of
// order, a row after the end. Rows may be late only where a split may have been taken for idle. The
// operator "census": passes rows on and counts them in list state; at the end it says how many it
// has seen over all restores, as a row of split -1 (what the subtasks say adds up to all rows).
void RegisterProbes(runtime::Registry* registry, SimulatedProcess* process, const Workload& work);

}  // namespace millrace::tests
