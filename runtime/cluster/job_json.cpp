#include "runtime/cluster/job_json.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "runtime/types/crc32c.h"

namespace millrace::runtime {

namespace {

using Json = nlohmann::json;

struct SubtaskNumbers {
  int subtask;
  std::map<std::string, int64_t> numbers;
};

// Metrics of a vertex by subtask: those of its head under their own name, of all its operators under
// "<uid>.<name>", and the times of the subtask.
std::vector<SubtaskNumbers> NumbersOf(const std::vector<JobMaster::SubtaskMetrics>& all,
                                      const JobGraph& graph, int vertex, int64_t running_ms) {
  std::vector<SubtaskNumbers> result;
  for (const JobMaster::SubtaskMetrics& subtask : all) {
    if (subtask.vertex != vertex) continue;
    SubtaskNumbers entry{subtask.subtask, {}};
    const std::string& head = graph.vertices[static_cast<size_t>(vertex)].operators[0].spec.uid;
    for (const auto& [uid, numbers] : subtask.numbers) {
      for (const auto& [name, value] : numbers) {
        if (uid == head) entry.numbers[name] = value;
        entry.numbers[uid + "." + name] = value;
      }
    }
    const auto per_second = [&](int64_t nanos) {
      return running_ms <= 0 ? 0 : std::min<int64_t>(1000, nanos / 1000 / running_ms);
    };
    entry.numbers["busyTimeMsPerSecond"] = per_second(subtask.busy_nanos);
    entry.numbers["idleTimeMsPerSecond"] = per_second(subtask.idle_nanos);
    entry.numbers["backPressuredTimeMsPerSecond"] = per_second(subtask.back_pressured_nanos);
    entry.numbers["accumulateBusyTimeMs"] = subtask.busy_nanos / 1'000'000;
    entry.numbers["accumulateIdleTimeMs"] = subtask.idle_nanos / 1'000'000;
    entry.numbers["accumulateBackPressuredTimeMs"] = subtask.back_pressured_nanos / 1'000'000;
    result.push_back(std::move(entry));
  }
  return result;
}

int64_t RunningMs(const JobStatus& status) {
  const int64_t end = status.end_ms > 0 ? status.end_ms : SystemClock().NowMs();
  return status.start_ms > 0 ? end - status.start_ms : 0;
}

Json CheckpointJson(const CheckpointInfo& info) {
  const char* state = info.state == CheckpointInfo::State::kCompleted ? "COMPLETED"
                      : info.state == CheckpointInfo::State::kFailed  ? "FAILED"
                                                                      : "IN_PROGRESS";
  Json json = {{"className", info.state == CheckpointInfo::State::kCompleted ? "completed"
                             : info.state == CheckpointInfo::State::kFailed  ? "failed"
                                                                             : "in_progress"},
               {"id", info.id},
               {"status", state},
               {"is_savepoint", info.savepoint},
               {"savepointFormat", info.savepoint ? Json("CANONICAL") : Json(nullptr)},
               {"trigger_timestamp", info.trigger_ms},
               {"latest_ack_timestamp", info.trigger_ms + info.duration_ms},
               {"checkpointed_size", info.state_bytes},
               {"state_size", info.state_bytes},
               {"end_to_end_duration", info.duration_ms},
               {"alignment_buffered", 0},
               {"processed_data", 0},
               {"persisted_data", 0},
               {"num_subtasks", info.expected},
               {"num_acknowledged_subtasks", info.acknowledged},
               {"checkpoint_type", info.savepoint ? "SAVEPOINT" : "CHECKPOINT"},
               {"tasks", Json::object()},
               {"external_path", info.path},
               {"discarded", false}};
  if (!info.failure.empty()) {
    json["failure_message"] = info.failure;
    json["failure_timestamp"] = info.trigger_ms + info.duration_ms;
  }
  return json;
}

}  // namespace

std::string VertexId(const Vertex& vertex) {
  std::string id;
  for (uint32_t part = 0; part < 4; ++part) {
    char hex[9];
    std::snprintf(hex, sizeof(hex), "%08x",
                  Crc32c(vertex.uid.data(), vertex.uid.size(), part + 1));
    id += hex;
  }
  return id;
}

Json JobOverviewJson(const JobMaster& job) {
  const JobStatus status = job.status();
  const int running = IsTerminal(status.state) ? 0 : status.total_subtasks - status.finished_subtasks;
  return {{"jid", status.job_id},
          {"name", status.name},
          {"start-time", status.start_ms},
          {"end-time", status.end_ms > 0 ? status.end_ms : -1},
          {"duration", RunningMs(status)},
          {"state", NameOf(status.state)},
          {"last-modification", status.end_ms > 0 ? status.end_ms : status.start_ms},
          {"tasks",
           {{"running", running},
            {"canceling", 0},
            {"canceled", 0},
            {"total", status.total_subtasks},
            {"created", 0},
            {"scheduled", 0},
            {"deploying", 0},
            {"reconciling", 0},
            {"finished", status.finished_subtasks},
            {"initializing", 0},
            {"failed", 0}}},
          {"pending-operators", 0}};
}

Json JobDetailsJson(const JobMaster& job) {
  const JobStatus status = job.status();
  const auto metrics = job.CollectMetrics();
  const JobGraph& graph = job.graph();
  Json vertices = Json::array();
  Json plan_nodes = Json::array();
  for (size_t v = 0; v < graph.vertices.size(); ++v) {
    const Vertex& vertex = graph.vertices[v];
    int64_t in = 0, out = 0, busy = 0, idle = 0, blocked = 0;
    for (const SubtaskNumbers& subtask : NumbersOf(metrics, graph, static_cast<int>(v), 1)) {
      const auto number = [&](const std::string& name) {
        auto found = subtask.numbers.find(name);
        return found == subtask.numbers.end() ? 0 : found->second;
      };
      in += number("numRecordsIn");
      out += number(vertex.operators.back().spec.uid + ".numRecordsOut");
      busy += number("accumulateBusyTimeMs");
      idle += number("accumulateIdleTimeMs");
      blocked += number("accumulateBackPressuredTimeMs");
    }
    vertices.push_back({{"id", VertexId(vertex)},
                        {"slotSharingGroupId", std::string(32, '0')},
                        {"name", vertex.name},
                        {"maxParallelism", graph.max_parallelism},
                        {"parallelism", vertex.parallelism},
                        {"status", NameOf(status.state)},
                        {"start-time", status.start_ms},
                        {"end-time", status.end_ms > 0 ? status.end_ms : -1},
                        {"duration", RunningMs(status)},
                        {"tasks", {{"RUNNING", vertex.parallelism}}},
                        {"metrics",
                         {{"read-bytes", 0},
                          {"read-bytes-complete", false},
                          {"write-bytes", 0},
                          {"write-bytes-complete", false},
                          {"read-records", in},
                          {"read-records-complete", true},
                          {"write-records", out},
                          {"write-records-complete", true},
                          {"accumulated-backpressured-time", blocked},
                          {"accumulated-idle-time", idle},
                          {"accumulated-busy-time", busy}}}});
    Json inputs = Json::array();
    for (const Edge& edge : graph.edges) {
      if (edge.to_vertex != static_cast<int>(v)) continue;
      inputs.push_back({{"num", inputs.size()},
                        {"id", VertexId(graph.vertices[static_cast<size_t>(edge.from_vertex)])},
                        {"ship_strategy", NameOf(edge.kind)},
                        {"exchange", "pipelined_bounded"}});
    }
    plan_nodes.push_back({{"id", VertexId(vertex)},
                          {"parallelism", vertex.parallelism},
                          {"operator", ""},
                          {"operator_strategy", ""},
                          {"description", vertex.name},
                          {"optimizer_properties", Json::object()},
                          {"inputs", std::move(inputs)}});
  }
  return {{"jid", status.job_id},
          {"name", status.name},
          {"isStoppable", true},
          {"state", NameOf(status.state)},
          {"job-type", "STREAMING"},
          {"start-time", status.start_ms},
          {"end-time", status.end_ms > 0 ? status.end_ms : -1},
          {"duration", RunningMs(status)},
          {"maxParallelism", graph.max_parallelism},
          {"now", SystemClock().NowMs()},
          {"timestamps", {{NameOf(status.state), status.start_ms}}},
          {"vertices", std::move(vertices)},
          {"status-counts", {{NameOf(status.state), status.total_subtasks}}},
          {"plan",
           {{"jid", status.job_id},
            {"name", status.name},
            {"type", "STREAMING"},
            {"nodes", std::move(plan_nodes)}}},
          {"pending-operators", 0}};
}

Json CheckpointsJson(const JobMaster& job) {
  const JobStatus status = job.status();
  Json history = Json::array();
  Json latest = {{"completed", nullptr}, {"savepoint", nullptr}, {"failed", nullptr}, {"restored", nullptr}};
  int64_t in_progress = 0;
  for (auto it = status.checkpoints.rbegin(); it != status.checkpoints.rend(); ++it) {
    Json json = CheckpointJson(*it);
    const char* slot = it->state == CheckpointInfo::State::kFailed     ? "failed"
                       : it->state == CheckpointInfo::State::kInProgress ? nullptr
                       : it->savepoint                                  ? "savepoint"
                                                                        : "completed";
    in_progress += it->state == CheckpointInfo::State::kInProgress;
    if (slot != nullptr && latest[slot].is_null()) latest[slot] = json;
    history.push_back(std::move(json));
  }
  return {{"counts",
           {{"restored", status.restored_checkpoint_id > 0 ? 1 : 0},
            {"total", status.completed_checkpoints + status.failed_checkpoints + in_progress},
            {"in_progress", in_progress},
            {"completed", status.completed_checkpoints},
            {"failed", status.failed_checkpoints}}},
          {"summary", Json::object()},
          {"latest", std::move(latest)},
          {"history", std::move(history)}};
}

Json ExceptionsJson(const JobMaster& job) {
  const JobStatus status = job.status();
  Json entries = Json::array();
  for (auto it = status.failures.rbegin(); it != status.failures.rend(); ++it) {
    entries.push_back({{"exceptionName", "millrace"}, {"stacktrace", *it}, {"timestamp", status.end_ms},
                       {"failureLabels", Json::object()}, {"concurrentExceptions", Json::array()}});
  }
  return {{"root-exception", status.failures.empty() ? Json(nullptr) : Json(status.failures.back())},
          {"timestamp", status.end_ms},
          {"all-exceptions", Json::array()},
          {"truncated", false},
          {"exceptionHistory", {{"entries", std::move(entries)}, {"truncated", false}}}};
}

Json VertexMetricsJson(const JobMaster& job, const std::string& vertex_id, const std::string& get) {
  const JobGraph& graph = job.graph();
  const JobStatus status = job.status();
  const auto metrics = job.CollectMetrics();
  Json result = Json::array();
  for (size_t v = 0; v < graph.vertices.size(); ++v) {
    if (VertexId(graph.vertices[v]) != vertex_id) continue;
    std::map<std::string, std::vector<int64_t>> values;
    for (const SubtaskNumbers& subtask :
         NumbersOf(metrics, graph, static_cast<int>(v), RunningMs(status))) {
      for (const auto& [name, value] : subtask.numbers) values[name].push_back(value);
    }
    for (const auto& [name, list] : values) {
      if (get.empty()) {
        result.push_back({{"id", name}});
        continue;
      }
      if (("," + get + ",").find("," + name + ",") == std::string::npos) continue;
      double sum = 0;
      for (int64_t value : list) sum += static_cast<double>(value);
      result.push_back({{"id", name},
                        {"min", static_cast<double>(*std::min_element(list.begin(), list.end()))},
                        {"max", static_cast<double>(*std::max_element(list.begin(), list.end()))},
                        {"avg", sum / static_cast<double>(list.size())},
                        {"sum", sum}});
    }
  }
  return result;
}

std::string PrometheusText(const std::vector<std::shared_ptr<JobMaster>>& jobs) {
  std::map<std::string, prometheus::MetricFamily> families;
  const auto add = [&](const std::string& name, std::vector<prometheus::ClientMetric::Label> labels,
                       double value) {
    std::string clean;
    for (char c : name) clean += std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
    prometheus::MetricFamily& family = families[clean];
    family.name = clean;
    family.type = prometheus::MetricType::Gauge;
    prometheus::ClientMetric metric;
    metric.label = std::move(labels);
    metric.gauge.value = value;
    family.metric.push_back(std::move(metric));
  };
  for (const auto& job : jobs) {
    const JobStatus status = job->status();
    const std::vector<prometheus::ClientMetric::Label> job_labels = {{"job_id", status.job_id},
                                                                     {"job_name", status.name}};
    add("flink_jobmanager_job_numRestarts", job_labels, status.restarts);
    add("flink_jobmanager_job_numberOfCompletedCheckpoints", job_labels,
        static_cast<double>(status.completed_checkpoints));
    add("flink_jobmanager_job_numberOfFailedCheckpoints", job_labels,
        static_cast<double>(status.failed_checkpoints));
    if (!status.checkpoints.empty()) {
      add("flink_jobmanager_job_lastCheckpointDuration", job_labels,
          static_cast<double>(status.checkpoints.back().duration_ms));
      add("flink_jobmanager_job_lastCheckpointSize", job_labels,
          static_cast<double>(status.checkpoints.back().state_bytes));
    }
    for (const JobMaster::SubtaskMetrics& subtask : job->CollectMetrics()) {
      std::vector<prometheus::ClientMetric::Label> labels = job_labels;
      labels.push_back({"task_name", subtask.name});
      labels.push_back({"subtask_index", std::to_string(subtask.subtask)});
      add("flink_taskmanager_job_task_accumulateBusyTimeMs", labels,
          static_cast<double>(subtask.busy_nanos) / 1e6);
      add("flink_taskmanager_job_task_accumulateIdleTimeMs", labels,
          static_cast<double>(subtask.idle_nanos) / 1e6);
      add("flink_taskmanager_job_task_accumulateBackPressuredTimeMs", labels,
          static_cast<double>(subtask.back_pressured_nanos) / 1e6);
      for (const auto& [uid, numbers] : subtask.numbers) {
        auto operator_labels = labels;
        operator_labels.push_back({"operator_name", uid});
        for (const auto& [name, value] : numbers) {
          add("flink_taskmanager_job_task_operator_" + name, operator_labels,
              static_cast<double>(value));
        }
      }
    }
  }
  std::vector<prometheus::MetricFamily> list;
  for (auto& [name, family] : families) list.push_back(std::move(family));
  return prometheus::TextSerializer().Serialize(list);
}

}  // namespace millrace::runtime
