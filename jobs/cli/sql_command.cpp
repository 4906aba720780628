#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "jobs/cli/command.h"
#include "jobs/cli/job_runner.h"
#include "jobs/cli/local_runtime.h"
#include "jobs/cli/planner_process.h"

namespace millrace::jobs {

namespace {

struct Arguments {
  std::string query;
  std::string file;
  int parallelism = 1;
  std::vector<std::string> settings;
};

// Compiles and runs statements of one session.
class Shell {
 public:
  Shell(std::unique_ptr<PlannerProcess> planner, const Arguments& arguments,
        std::map<std::string, std::string> options)
      : planner_(std::move(planner)), arguments_(arguments), options_(std::move(options)) {}

  int Run(const std::string& script) {
    auto answer = planner_->Compile(script, "shell", options_);
    if (!answer.ok()) return Complain(answer.status().message(), kExitUsage);
    for (const std::string& result : answer->results) std::fputs(result.c_str(), stdout);
    std::fflush(stdout);
    for (const PlannedJob& job : answer->jobs) {
      RunSettings settings;
      settings.options = options_;
      for (const auto& [key, value] : job.options) settings.options.emplace(key, value);
      settings.parallelism = arguments_.parallelism;
      settings.name = job.name;
      settings.quiet = job.collect;
      settings.rest_port = job.collect ? -1 : 0;
      const int code = RunPlan(job.collect ? ForPeople(job.plan_json) : job.plan_json, settings);
      if (code != kExitOk) return code;
    }
    return kExitOk;
  }

 private:
  // On a terminal the rows of a SELECT come as a table.
  static std::string ForPeople(const std::string& plan_json) {
    if (isatty(STDOUT_FILENO) == 0) return plan_json;
    nlohmann::json plan = nlohmann::json::parse(plan_json);
    for (nlohmann::json& node : plan.at("nodes")) {
      const nlohmann::json::json_pointer options("/dynamicTableSink/table/resolvedTable/options");
      if (!node.contains(options)) continue;
      if (node[options].value("connector", "") == "collect") node[options]["collect.style"] = "table";
    }
    return plan.dump();
  }

  std::unique_ptr<PlannerProcess> planner_;
  const Arguments& arguments_;
  const std::map<std::string, std::string> options_;
};

// Reads statements up to their semicolon and runs each.
int Prompt(Shell* shell) {
  const bool terminal = isatty(STDIN_FILENO) != 0;
  std::string statement;
  std::string line;
  int last = kExitOk;
  while (true) {
    if (terminal) std::fputs(statement.empty() ? "millrace> " : "      ... ", stderr);
    if (!std::getline(std::cin, line)) break;
    if (statement.empty() && (line == "quit" || line == "exit" || line == "quit;" || line == "exit;")) {
      return last;
    }
    statement += line + "\n";
    const size_t end = statement.find_last_not_of(" \t\r\n");
    if (end == std::string::npos) {
      statement.clear();
      continue;
    }
    if (statement[end] != ';') continue;
    last = shell->Run(statement);
    statement.clear();
    if (last != kExitOk && !terminal) return last;
  }
  if (statement.find_first_not_of(" \t\r\n") != std::string::npos) last = shell->Run(statement);
  return last;
}

int Run(const Arguments& arguments) {
  std::map<std::string, std::string> options;
  if (!ReadSettings(arguments.settings, &options)) return kExitUsage;
  const auto registry = MakeRegistry();
  auto planner = PlannerProcess::Start(*registry);
  if (!planner.ok()) return Complain(planner.status().message(), kExitUsage);
  Shell shell(std::move(*planner), arguments, options);
  if (!arguments.query.empty()) return shell.Run(arguments.query);
  if (!arguments.file.empty()) {
    std::string script;
    if (!ReadFile(arguments.file, &script)) return kExitUsage;
    return shell.Run(script);
  }
  return Prompt(&shell);
}

}  // namespace

void AddSqlCommand(CLI::App& app, RunAction* run) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand("sql", "Run Flink SQL: a query, a script, or a prompt");
  command->add_option("-e,--execute", arguments->query, "Statements to run");
  command->add_option("-f,--file", arguments->file, "A script");
  command->add_option("-p,--parallelism", arguments->parallelism, "Subtasks of each vertex (1)");
  command->add_option("-D", arguments->settings, "Set an option: -D key=value");
  command->footer(
      "SELECT prints the changelog: a table on a terminal, elsewhere one change a line as Flink's\n"
      "print connector does: +I[1, a].\n"
      "Needs Java 17 for the planner; compiled plans run without it (millrace run plan.json).\n\n"
      "Examples:\n"
      "  millrace sql -e \"SELECT UPPER('a'), 1 + 2\"\n"
      "  millrace sql < script.sql\n");
  command->callback([arguments, run] { *run = [arguments] { return Run(*arguments); }; });
}

}  // namespace millrace::jobs
