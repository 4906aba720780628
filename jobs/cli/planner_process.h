#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "runtime/api/registry.h"

namespace millrace::jobs {

// A compiled statement of a script.
struct PlannedJob {
  std::string name;
  std::string plan_json;
  std::map<std::string, std::string> options;  // what the script SET
  bool collect = false;                        // of a bare SELECT
};

// The SQL planner (jobs/flink) as a child process that stays warm. Not thread-safe.
class PlannerProcess {
 public:
  // Starts it with the connectors of `registry`. Where the planner is: $MILLRACE_PLANNER, or beside
  // the binary (planner/), or in the source tree. Errors say what to install or build.
  static runtime::Result<std::unique_ptr<PlannerProcess>> Start(const runtime::Registry& registry);
  ~PlannerProcess();

  struct Answer {
    std::vector<PlannedJob> jobs;
    std::vector<std::string> results;  // tables that SHOW, DESCRIBE, EXPLAIN gave, as text
  };
  // Compiles a script; statements of one session see each other's tables. Errors are Flink's, with
  // line and column of the script.
  runtime::Result<Answer> Compile(const std::string& script, const std::string& session,
                                  const std::map<std::string, std::string>& options);

 private:
  PlannerProcess() = default;
  int pid_ = -1;
  int to_ = -1;
  int from_ = -1;
  std::string buffer_;
  std::string connectors_file_;
  int64_t next_id_ = 1;
};

// The description of connectors and formats that the planner and other programs read.
std::string ConnectorsJson(const runtime::Registry& registry);

}  // namespace millrace::jobs
