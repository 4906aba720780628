#pragma once

#include <map>
#include <string>

#include "runtime/engine/job_graph.h"

namespace millrace::jobs {

// How `run` and `sql` run a job in this process.
struct RunSettings {
  int parallelism = 1;
  std::string restore_path;
  bool allow_non_restored = false;
  std::map<std::string, std::string> options;
  std::string name = "job";
  bool quiet = false;       // no progress
  bool json = false;        // events as JSON lines on standard output (job_events.h)
  int rest_port = 0;        // 0: any free one; -1: none
  // For tests: when nothing has moved for this long, stop with a savepoint into this folder.
  std::string savepoint_when_idle;
  int64_t idle_ms = 0;
};

// Runs a plan to its end and returns the exit code. SIGINT and SIGTERM stop it at a final checkpoint.
int RunPlan(const std::string& plan_json, const RunSettings& settings);

}  // namespace millrace::jobs
