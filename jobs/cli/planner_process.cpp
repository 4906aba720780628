#include "jobs/cli/planner_process.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <nlohmann/json.hpp>

extern char** environ;

namespace millrace::jobs {

using runtime::OptionSpec;
using runtime::OptionType;
using runtime::Result;
using runtime::Status;
using Json = nlohmann::json;

namespace {

const char* NameOf(OptionType type) {
  switch (type) {
    case OptionType::kString: return "string";
    case OptionType::kBool: return "bool";
    case OptionType::kInt: return "long";
    case OptionType::kDouble: return "double";
    case OptionType::kDuration: return "duration";
    case OptionType::kMemorySize: return "memory";
    case OptionType::kEnum: return "enum";
    case OptionType::kMap: return "map";
  }
  return "string";
}

Json OptionsJson(runtime::OptionTable table) {
  Json list = Json::array();
  for (const OptionSpec& spec : table) {
    if (*spec.name == '\0') continue;
    Json option = {{"name", spec.name},
                   {"type", NameOf(spec.type)},
                   {"default", spec.default_value == nullptr ? Json(nullptr)
                                                             : Json(spec.default_value)},
                   {"words", spec.words},
                   {"required", spec.required},
                   {"secret", spec.secret}};
    if (*spec.choices != '\0') option["choices"] = spec.choices;
    list.push_back(std::move(option));
  }
  return list;
}

Json ChangelogJson(const std::string& text) {
  if (text == "all" || text == "upsert") return text;
  return Json::array({text});
}

std::string FindPlanner() {
  if (const char* given = std::getenv("MILLRACE_PLANNER")) return given;
  std::error_code error;
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", error);
  for (std::filesystem::path folder = self.parent_path(); !folder.empty();
       folder = folder.parent_path()) {
    for (const char* place : {"planner/planner", "jobs/flink/planner"}) {
      if (std::filesystem::exists(folder / place, error)) return (folder / place).string();
    }
    if (folder == folder.root_path()) break;
  }
  return "";
}

}  // namespace

std::string ConnectorsJson(const runtime::Registry& registry) {
  Json connectors = Json::array();
  for (const auto& [name, info] : registry.connectors()) {
    Json metadata = Json::array();
    for (const auto& field : info.readable_metadata) {
      metadata.push_back({{"key", field.name}, {"type", field.type.ToString()}});
    }
    for (const auto& field : info.writable_metadata) {
      metadata.push_back({{"key", field.name}, {"type", field.type.ToString()}, {"readable", false},
                          {"writable", true}});
    }
    Json entry = {{"name", name},
                  {"source", info.make_source != nullptr},
                  {"sink", info.make_sink != nullptr},
                  {"sourceChangelog", info.source_changelog == "all"
                                          ? Json{"+I", "-U", "+U", "-D"}
                                          : Json::array({info.source_changelog})},
                  {"sinkChangelog", ChangelogJson(info.sink_changelog)},
                  {"abilities", info.abilities},
                  {"metadata", metadata},
                  {"formats", info.takes_format},
                  {"options", OptionsJson(info.options)}};
    for (const OptionSpec& spec : info.options) {
      if (std::string_view(spec.name) == "number-of-rows") entry["boundedBy"] = spec.name;
    }
    connectors.push_back(std::move(entry));
  }
  Json formats = Json::array();
  for (const auto& [name, info] : registry.formats()) {
    formats.push_back({{"name", name}, {"options", OptionsJson(info.options)}});
  }
  return Json{{"connectors", connectors}, {"formats", formats}}.dump(1);
}

Result<std::unique_ptr<PlannerProcess>> PlannerProcess::Start(const runtime::Registry& registry) {
  const std::string planner = FindPlanner();
  if (planner.empty()) {
    return Status::User(
        "the SQL planner is not there: build it (mvn -q package in jobs/flink; './dev build' does it "
        "where Java is installed) or name it by MILLRACE_PLANNER. A compiled plan runs without it.");
  }
  auto process = std::unique_ptr<PlannerProcess>(new PlannerProcess());
  process->connectors_file_ =
      (std::filesystem::temp_directory_path() / ("millrace-connectors-" + std::to_string(getpid()) +
                                                 ".json"))
          .string();
  {
    const std::string json = ConnectorsJson(registry);
    const int file = ::open(process->connectors_file_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (file < 0 || ::write(file, json.data(), json.size()) != static_cast<ssize_t>(json.size())) {
      return Status::FromErrno("write", process->connectors_file_, errno);
    }
    ::close(file);
  }
  int in[2], out[2];
  if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0) {
    return Status::FromErrno("pipe", "planner", errno);
  }
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in[0], 0);
  posix_spawn_file_actions_adddup2(&actions, out[1], 1);
  std::string program = planner;
  std::string flag = "--connectors";
  char* arguments[] = {program.data(), flag.data(), process->connectors_file_.data(), nullptr};
  pid_t pid = -1;
  const int failed = posix_spawn(&pid, planner.c_str(), &actions, nullptr, arguments, environ);
  posix_spawn_file_actions_destroy(&actions);
  ::close(in[0]);
  ::close(out[1]);
  process->to_ = in[1];
  process->from_ = out[0];
  if (failed != 0) return Status::FromErrno("start of the planner", planner, failed);
  process->pid_ = pid;
  return process;
}

PlannerProcess::~PlannerProcess() {
  if (to_ >= 0) ::close(to_);
  if (from_ >= 0) ::close(from_);
  if (pid_ > 0) {
    kill(pid_, SIGTERM);
    waitpid(pid_, nullptr, 0);
  }
  if (!connectors_file_.empty()) ::unlink(connectors_file_.c_str());
}

Result<PlannerProcess::Answer> PlannerProcess::Compile(
    const std::string& script, const std::string& session,
    const std::map<std::string, std::string>& options) {
  Json request = {{"id", next_id_++}, {"script", script}, {"options", options}};
  if (!session.empty()) request["session"] = session;
  const std::string line = request.dump() + "\n";
  for (size_t sent = 0; sent < line.size();) {
    const ssize_t wrote = ::write(to_, line.data() + sent, line.size() - sent);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) return Status::External("the SQL planner went away (see its words above)");
    sent += static_cast<size_t>(wrote);
  }
  size_t end;
  while ((end = buffer_.find('\n')) == std::string::npos) {
    char bytes[65536];
    const ssize_t got = ::read(from_, bytes, sizeof(bytes));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return Status::External("the SQL planner went away (see its words above)");
    buffer_.append(bytes, static_cast<size_t>(got));
  }
  const std::string answer_line = buffer_.substr(0, end);
  buffer_.erase(0, end + 1);
  try {
    const Json json = Json::parse(answer_line);
    if (json.contains("error")) {
      const Json& error = json.at("error");
      std::string where;
      if (error.contains("line") && error.at("line").is_number()) {
        where = "line " + std::to_string(error.at("line").get<int>());
        if (error.contains("column") && error.at("column").is_number()) {
          where += ", column " + std::to_string(error.at("column").get<int>());
        }
        where += ": ";
      }
      return Status::User(where + error.value("message", "the planner refused it"));
    }
    Answer answer;
    for (const Json& plan : json.value("plans", Json::array())) {
      PlannedJob job;
      job.name = plan.value("name", "job");
      job.plan_json = plan.at("plan").dump();
      job.collect = plan.value("collect", false);
      if (plan.contains("options")) {
        job.options = plan.at("options").get<std::map<std::string, std::string>>();
      }
      answer.jobs.push_back(std::move(job));
    }
    for (const Json& result : json.value("results", Json::array())) {
      std::string text;
      for (const Json& row : result.value("rows", Json::array())) {
        std::string line_text;
        for (const Json& cell : row) {
          if (!line_text.empty()) line_text += "\t";
          line_text += cell.is_string() ? cell.get<std::string>() : cell.dump();
        }
        text += line_text + "\n";
      }
      answer.results.push_back(std::move(text));
    }
    return answer;
  } catch (const Json::exception& e) {
    return Status::Internal(std::string("answer of the planner can't be read: ") + e.what());
  }
}

}  // namespace millrace::jobs
