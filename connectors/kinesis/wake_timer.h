#pragma once

#include <cstdint>
#include <functional>

namespace millrace::connectors {

// Calls `wake` once, `delay_ms` from now or a little later, on a thread that all of the process
// share: it must be short, must not block, and must bear to be called after everything else of its
// owner died. Thread-safe. The thread is started by the first call and sleeps while nothing is due.
void WakeAfter(int64_t delay_ms, std::function<void()> wake);

}  // namespace millrace::connectors
