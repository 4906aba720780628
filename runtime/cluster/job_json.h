#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "runtime/engine/job_master.h"

namespace millrace::runtime {

// The bodies of Flink's REST API about one job. Numbers that have no meaning here are 0 or -1, since
// Flink's client refuses a body that lacks them.
nlohmann::json JobOverviewJson(const JobMaster& job);
nlohmann::json JobDetailsJson(const JobMaster& job);
nlohmann::json CheckpointsJson(const JobMaster& job);
nlohmann::json ExceptionsJson(const JobMaster& job);
// [{"id","min","max","avg","sum"}] over the subtasks of a vertex for the metrics asked for ("a,b"; empty:
// the list of ids).
nlohmann::json VertexMetricsJson(const JobMaster& job, const std::string& vertex_id,
                                 const std::string& get);
// The text that Prometheus reads, of all jobs given.
std::string PrometheusText(const std::vector<std::shared_ptr<JobMaster>>& jobs);
// 32 hex digits that Flink's tools take for a vertex.
std::string VertexId(const Vertex& vertex);

}  // namespace millrace::runtime
