#pragma once

namespace millrace::runtime {

// Marks a step at which tests want to see the process die. If the environment has
// MILLRACE_CRASH_AT=<step> or <step>:<n>, the n-th pass (the first by default) of this step kills the
// process as kill -9 does. Otherwise it costs a read of a flag. Not for hot paths.
// Steps: after-prepare, before-manifest, after-manifest, before-commit, mid-commit, mid-compaction.
void CrashPoint(const char* step);

}  // namespace millrace::runtime
