#pragma once

#include <map>
#include <string>
#include <vector>

#include "runtime/api/registry.h"
#include "runtime/engine/job_graph.h"

namespace millrace::jobs {

struct PlanSettings {
  int parallelism = 1;
  int max_parallelism = 0;                     // 0: Flink's default for the parallelism
  std::string name = "job";
  std::map<std::string, std::string> options;  // of the job; also time zone and batch size
};

// Turns a compiled plan of Flink's (COMPILE PLAN; flinkVersion 1.20 to 2.3) into a JobGraph. Nodes
// chain into one vertex up to an exchange; a node that several others read fans out without one.
// A node, function, type, connector or ability that the runtime does not have is refused, kUser, with
// the node's id, its description and what is missing: nothing has started then.
runtime::Result<runtime::JobGraph> LoadPlan(const std::string& plan_json,
                                            const runtime::Registry& registry,
                                            const PlanSettings& settings);

// Types of plan nodes that can be loaded, such as "stream-exec-calc_1".
std::vector<std::string> SupportedNodes(const runtime::Registry& registry);

}  // namespace millrace::jobs
