#include "runtime/cluster/rest_service.h"

#include <chrono>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>

#include "runtime/cluster/job_json.h"
#include "runtime/net/http_server.h"

namespace millrace::runtime {

namespace {

using Json = nlohmann::json;

constexpr char kVersion[] = "2.3.0";  // of Flink, whose API this is

HttpResponse Answer(int status, const Json& body) { return HttpResponse::Json(status, body.dump()); }
HttpResponse Refuse(int status, const std::string& words) {
  return Answer(status, {{"errors", {words}}});
}

std::vector<std::string> SplitPath(const std::string& path) {
  std::vector<std::string> parts;
  size_t begin = 0;
  while (begin < path.size()) {
    size_t end = path.find('/', begin);
    if (end == std::string::npos) end = path.size();
    if (end > begin) parts.push_back(path.substr(begin, end - begin));
    begin = end + 1;
  }
  if (!parts.empty() && parts[0] == "v1") parts.erase(parts.begin());
  return parts;
}

}  // namespace

struct RestService::Parts {
  std::string url;
  std::mutex mutex;
  std::vector<std::shared_ptr<JobMaster>> jobs;
  struct Request {
    bool done = false;
    bool fetched = false;
    bool savepoint = true;
    SavepointResult result;
  };
  std::map<std::string, std::shared_ptr<Request>> requests;  // savepoints and stops under way
  std::unique_ptr<HttpServer> server;                        // dies first

  HttpResponse Handle(const HttpRequest& request);
  HttpResponse HandleJob(const HttpRequest& request, const std::vector<std::string>& path,
                         JobMaster& job);
  // Remembers an asynchronous request; the callback fills it.
  std::pair<std::string, SavepointCallback> NewRequest(bool savepoint);
  HttpResponse Poll(const std::string& id);
  std::vector<std::shared_ptr<JobMaster>> Jobs() {
    std::lock_guard lock(mutex);
    return jobs;
  }
};

std::pair<std::string, SavepointCallback> RestService::Parts::NewRequest(bool savepoint) {
  auto request = std::make_shared<Request>();
  request->savepoint = savepoint;
  std::string id = NewJobId();
  std::lock_guard lock(mutex);
  requests[id] = request;
  return {id, [this, request](SavepointResult result) {
            std::lock_guard done(mutex);
            request->result = std::move(result);
            request->done = true;
          }};
}

HttpResponse RestService::Parts::Poll(const std::string& id) {
  std::lock_guard lock(mutex);
  auto found = requests.find(id);
  if (found == requests.end()) return Refuse(404, "There is no savepoint operation with triggerId=" + id);
  Request& request = *found->second;
  if (!request.done) return Answer(200, {{"status", {{"id", "IN_PROGRESS"}}}});
  request.fetched = true;
  Json operation = Json::object();
  if (request.result.status.ok()) {
    operation["location"] = request.result.path;
  } else {
    operation["failure-cause"] = {{"class", "millrace"},
                                  {"stack-trace", request.result.status.ToString()}};
  }
  return Answer(200, {{"status", {{"id", "COMPLETED"}}}, {"operation", operation}});
}

HttpResponse RestService::Parts::HandleJob(const HttpRequest& request,
                                           const std::vector<std::string>& path, JobMaster& job) {
  const std::string what = path.size() > 2 ? path[2] : "";
  Json body = Json::parse(request.body, nullptr, false);
  if (!body.is_object()) body = Json::object();
  const auto text = [&](const char* name) {
    return body.contains(name) && body[name].is_string() ? body[name].get<std::string>() : "";
  };
  if (what.empty()) {
    if (request.method == "PATCH") {
      const std::string mode = request.Query("mode").value_or("cancel");
      if (mode != "cancel") return Refuse(400, "mode is not supported: " + mode);
      job.Cancel();
      return Answer(202, Json::object());
    }
    return Answer(200, JobDetailsJson(job));
  }
  if (what == "yarn-cancel") {
    job.Cancel();
    return Answer(202, Json::object());
  }
  if (what == "status") return Answer(200, {{"status", NameOf(job.status().state)}});
  if (what == "exceptions") return Answer(200, ExceptionsJson(job));
  if (what == "execution-result") {
    const JobStatus status = job.status();
    if (!IsTerminal(status.state)) return Answer(200, {{"status", {{"id", "IN_PROGRESS"}}}});
    return Answer(200, {{"status", {{"id", "COMPLETED"}}},
                        {"job-execution-result",
                         {{"id", status.job_id},
                          {"net-runtime", status.end_ms - status.start_ms},
                          {"application-status",
                           status.state == JobState::kFinished   ? "SUCCEEDED"
                           : status.state == JobState::kCanceled ? "CANCELED"
                                                                 : "FAILED"},
                          {"accumulator-results", Json::object()}}}});
  }
  if (what == "stop" && request.method == "POST") {
    const std::string target = text("targetDirectory");
    auto [id, callback] = NewRequest(true);
    job.StopJob(target, body.value("drain", false), std::move(callback));
    return Answer(202, {{"request-id", id}});
  }
  if (what == "savepoints") {
    if (request.method == "POST") {
      const std::string target = text("target-directory");
      if (target.empty()) {
        return Refuse(400, "no target-directory is given, and no default savepoint folder is set");
      }
      auto [id, callback] = NewRequest(true);
      if (body.value("cancel-job", false)) {
        job.StopJob(target, false, std::move(callback));
      } else {
        job.TriggerSavepoint(target, std::move(callback));
      }
      return Answer(202, {{"request-id", id}});
    }
    if (path.size() > 3) return Poll(path[3]);
  }
  if (what == "checkpoints") {
    if (request.method == "POST") {
      auto [id, callback] = NewRequest(false);
      job.TriggerCheckpoint(std::move(callback));
      return Answer(202, {{"request-id", id}});
    }
    if (path.size() == 4 && path[3].size() == 32) return Poll(path[3]);
    if (path.size() == 3) return Answer(200, CheckpointsJson(job));
  }
  if (what == "vertices" && path.size() >= 5) {
    if (path[4] == "metrics" || (path[4] == "subtasks" && path.size() > 5 && path[5] == "metrics")) {
      return Answer(200, VertexMetricsJson(job, path[3], request.Query("get").value_or("")));
    }
    if (path[4] == "watermarks") {
      Json list = Json::array();
      for (const auto& subtask : job.CollectMetrics()) {
        if (VertexId(job.graph().vertices[static_cast<size_t>(subtask.vertex)]) != path[3]) continue;
        for (const auto& [uid, numbers] : subtask.numbers) {
          auto found = numbers.find("currentInputWatermark");
          if (found == numbers.end()) continue;
          list.push_back({{"id", std::to_string(subtask.subtask) + ".currentInputWatermark"},
                          {"value", std::to_string(found->second)}});
          break;
        }
      }
      return Answer(200, list);
    }
  }
  return Refuse(404, "Not found: " + request.target);
}

HttpResponse RestService::Parts::Handle(const HttpRequest& request) {
  const std::vector<std::string> path = SplitPath(request.path);
  const std::string what = path.empty() ? "overview" : path[0];
  if (what == "metrics") {
    HttpResponse response = HttpResponse::Text(200, PrometheusText(Jobs()));
    return response;
  }
  if (what == "config") {
    return Answer(200, {{"refresh-interval", 3000},
                        {"timezone-name", "UTC"},
                        {"timezone-offset", 0},
                        {"flink-version", kVersion},
                        {"flink-revision", "millrace"},
                        {"features",
                         {{"web-submit", false},
                          {"web-cancel", true},
                          {"web-rescale", false},
                          {"web-history", false}}}});
  }
  if (what == "overview") {
    std::map<JobState, int> counts;
    for (const auto& job : Jobs()) ++counts[job->status().state];
    return Answer(200, {{"taskmanagers", 1},
                        {"slots-total", 1},
                        {"slots-available", 0},
                        {"jobs-running", counts[JobState::kRunning]},
                        {"jobs-finished", counts[JobState::kFinished]},
                        {"jobs-cancelled", counts[JobState::kCanceled]},
                        {"jobs-failed", counts[JobState::kFailed]},
                        {"flink-version", kVersion},
                        {"flink-commit", "millrace"}});
  }
  if (what == "jobs") {
    if (path.size() == 1 || path[1] == "overview") {
      Json list = Json::array();
      for (const auto& job : Jobs()) {
        if (path.size() == 1) {
          list.push_back({{"id", job->job_id()}, {"status", NameOf(job->status().state)}});
        } else {
          list.push_back(JobOverviewJson(*job));
        }
      }
      return Answer(200, {{"jobs", list}});
    }
    for (const auto& job : Jobs()) {
      if (job->job_id() == path[1]) return HandleJob(request, path, *job);
    }
    return Refuse(404, "Job " + path[1] + " not found");
  }
  return Refuse(404, "Not found: " + request.target);
}

RestService::RestService(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
RestService::~RestService() { Stop(); }

Result<std::unique_ptr<RestService>> RestService::Start(int port) {
  auto parts = std::make_unique<Parts>();
  HttpServerOptions options;
  options.port = static_cast<uint16_t>(port);
  options.threads = 1;
  Parts* const raw = parts.get();
  ASSIGN_OR_RETURN(parts->server, HttpServer::StartBlocking(options, [raw](const HttpRequest& request) {
                     return raw->Handle(request);
                   }));
  parts->url = "http://127.0.0.1:" + std::to_string(parts->server->port());
  return std::unique_ptr<RestService>(new RestService(std::move(parts)));
}

const std::string& RestService::url() const { return parts_->url; }

void RestService::AddJob(std::shared_ptr<JobMaster> job) {
  std::lock_guard lock(parts_->mutex);
  parts_->jobs.push_back(std::move(job));
}

void RestService::Linger(int64_t timeout_ms) {
  for (int64_t waited = 0; waited < timeout_ms; waited += 10) {
    bool all = true;
    {
      std::lock_guard lock(parts_->mutex);
      for (const auto& [id, request] : parts_->requests) all &= request->fetched;
    }
    // A little longer, so that the last answer is on its way.
    SystemClock().SleepFor(std::chrono::milliseconds(10));
    if (all) return;
  }
}

void RestService::Stop() {
  parts_->server->Stop();
  std::lock_guard lock(parts_->mutex);
  parts_->jobs.clear();
}

}  // namespace millrace::runtime
