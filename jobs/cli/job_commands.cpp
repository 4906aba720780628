#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>

#include "jobs/cli/command.h"
#include "jobs/cli/instances.h"
#include "runtime/net/http_client.h"

namespace millrace::jobs {

namespace {

using runtime::Result;
using runtime::Status;
using Json = nlohmann::json;

struct Job {
  std::string url;
  Json overview;
};

Result<Json> Call(const std::string& url, const std::string& method, const std::string& path,
                  const Json& body = nullptr) {
  ASSIGN_OR_RETURN(runtime::HttpEndpoint endpoint, runtime::HttpEndpoint::Parse(url));
  runtime::HttpClientOptions options;
  options.connect_timeout_ms = 2000;
  runtime::HttpClient client(endpoint, options);
  runtime::HttpRequest request;
  request.method = method;
  request.target = "/v1" + path;
  if (!body.is_null()) {
    request.body = body.dump();
    request.headers.emplace_back("Content-Type", "application/json");
  }
  ASSIGN_OR_RETURN(const runtime::HttpResponse response, client.Send(request));
  Json json = Json::parse(response.body, nullptr, false);
  if (json.is_object() && json.contains("errors")) {
    return Status::User(json.at("errors").at(0).get<std::string>());
  }
  if (json.is_discarded()) return Status::External("answer is not JSON from " + url);
  return json;
}

std::vector<Job> FindJobs(const std::string& only_url) {
  std::vector<Job> jobs;
  std::vector<std::string> urls = LiveInstances();
  if (!only_url.empty()) urls = {only_url};
  for (const std::string& url : urls) {
    Result<Json> answer = Call(url, "GET", "/jobs/overview");
    if (!answer.ok()) {
      if (!only_url.empty()) Complain(answer.status().message(), kExitFailed);
      continue;
    }
    for (const Json& job : answer->at("jobs")) jobs.push_back({url, job});
  }
  return jobs;
}

// The job whose id begins so, or the only one.
Result<Job> FindJob(const std::string& url, const std::string& id) {
  std::vector<Job> found;
  for (Job& job : FindJobs(url)) {
    if (job.overview.at("jid").get<std::string>().starts_with(id)) found.push_back(std::move(job));
  }
  if (found.empty()) {
    return Status::User(id.empty() ? "no job is running here (millrace list)"
                                   : "no job of this id is running here (millrace list): " + id);
  }
  if (found.size() > 1) return Status::User("several jobs are running: name one (millrace list)");
  return found[0];
}

int WaitForSavepoint(const Job& job, const std::string& request_id, const char* what) {
  const std::string id = job.overview.at("jid");
  for (int i = 0; i < 6000; ++i) {
    Result<Json> answer = Call(job.url, "GET", "/jobs/" + id + "/savepoints/" + request_id);
    if (!answer.ok()) {
      // A stopped job's process ends, and its REST address with it, right after the last answer.
      return Complain(std::string(what) + ": the job's process is gone: " +
                          answer.status().message(),
                      kExitFailed);
    }
    if (answer->at("status").at("id") == "COMPLETED") {
      const Json& operation = answer->at("operation");
      if (operation.contains("failure-cause")) {
        return Complain(std::string(what) + " failed: " +
                            operation.at("failure-cause").value("stack-trace", ""),
                        kExitFailed);
      }
      std::printf("%s\n", operation.value("location", "").c_str());
      return kExitOk;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  return Complain(std::string(what) + " takes longer than 5 minutes; it goes on", kExitFailed);
}

struct Arguments {
  std::string url;
  std::string id;
  std::string target;
  bool drain = false;
  bool json = false;
};

int List(const Arguments& arguments) {
  const std::vector<Job> jobs = FindJobs(arguments.url);
  if (arguments.json) {
    Json list = Json::array();
    for (const Job& job : jobs) {
      Json entry = job.overview;
      entry["rest"] = job.url;
      list.push_back(std::move(entry));
    }
    std::printf("%s\n", list.dump(1).c_str());
    return kExitOk;
  }
  if (jobs.empty()) std::printf("no jobs\n");
  for (const Job& job : jobs) {
    std::printf("%s  %-12s %8.1f s  %s  %s\n", job.overview.at("jid").get<std::string>().c_str(),
                job.overview.at("state").get<std::string>().c_str(),
                static_cast<double>(job.overview.at("duration").get<int64_t>()) / 1000,
                job.overview.at("name").get<std::string>().c_str(), job.url.c_str());
  }
  return kExitOk;
}

int Cancel(const Arguments& arguments) {
  Result<Job> job = FindJob(arguments.url, arguments.id);
  if (!job.ok()) return Complain(job.status().message(), kExitUsage);
  const std::string id = job->overview.at("jid");
  Result<Json> answer = Call(job->url, "PATCH", "/jobs/" + id + "?mode=cancel");
  if (!answer.ok()) return Complain(answer.status().message(), kExitFailed);
  std::printf("cancelled %s\n", id.c_str());
  return kExitOk;
}

int Savepoint(const Arguments& arguments, bool stop) {
  Result<Job> job = FindJob(arguments.url, arguments.id);
  if (!job.ok()) return Complain(job.status().message(), kExitUsage);
  const std::string id = job->overview.at("jid");
  Result<Json> answer =
      stop ? Call(job->url, "POST", "/jobs/" + id + "/stop",
                  {{"targetDirectory", arguments.target}, {"drain", arguments.drain}})
           : Call(job->url, "POST", "/jobs/" + id + "/savepoints",
                  {{"target-directory", arguments.target}, {"cancel-job", false}});
  if (!answer.ok()) return Complain(answer.status().message(), kExitFailed);
  return WaitForSavepoint(*job, answer->at("request-id").get<std::string>(),
                          stop ? "stop" : "savepoint");
}

}  // namespace

void AddJobCommands(CLI::App& app, RunAction* run) {
  auto arguments = std::make_shared<Arguments>();
  const auto add = [&](const char* name, const char* words) {
    CLI::App* command = app.add_subcommand(name, words);
    command->add_option("--rest", arguments->url,
                        "Address of the job's REST API; default: all processes of this user");
    return command;
  };
  CLI::App* list = add("list", "List running jobs");
  list->add_flag("--json", arguments->json, "As JSON");
  list->callback([arguments, run] { *run = [arguments] { return List(*arguments); }; });

  CLI::App* cancel = add("cancel", "End a job as it is; its checkpoints stay");
  cancel->add_option("id", arguments->id, "Job id or its beginning; none: the only job");
  cancel->callback([arguments, run] { *run = [arguments] { return Cancel(*arguments); }; });

  CLI::App* stop = add("stop", "Stop a job with a last checkpoint or savepoint; prints where it is");
  stop->add_option("id", arguments->id, "Job id or its beginning; none: the only job");
  stop->add_option("-p,--savepoint-path", arguments->target,
                   "Folder for a savepoint; none: a last checkpoint in the job's own folder");
  stop->add_flag("-d,--drain", arguments->drain,
                 "End the sources first, so that every window closes; not for resuming");
  stop->callback([arguments, run] { *run = [arguments] { return Savepoint(*arguments, true); }; });

  CLI::App* savepoint = add("savepoint", "Take a savepoint of a running job; prints where it is");
  savepoint->add_option("id", arguments->id, "Job id or its beginning")->required();
  savepoint->add_option("directory", arguments->target, "Folder for the savepoint")->required();
  savepoint->callback(
      [arguments, run] { *run = [arguments] { return Savepoint(*arguments, false); }; });
}

}  // namespace millrace::jobs
