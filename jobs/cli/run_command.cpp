#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "jobs/cli/command.h"
#include "jobs/cli/job_runner.h"
#include "jobs/cli/local_runtime.h"
#include "jobs/cli/planner_process.h"

namespace millrace::jobs {

namespace {

struct Arguments {
  std::string file;
  int parallelism = 0;
  std::string savepoint;
  bool detached = false;
  bool allow_non_restored = false;
  std::vector<std::string> settings;
  std::string checkpoint_dir;
  std::string checkpoint_interval;
  int batch_size = 0;
  std::string name;
  bool quiet = false;
  bool json = false;
  int rest_port = 0;
  std::string stop_with_savepoint;
  int64_t idle_ms = 200;
};

// Runs what is given in the background; the job's first words go to the terminal still.
bool Detach() {
  const pid_t child = fork();
  if (child < 0) return false;
  if (child > 0) {
    std::printf("%d\n", static_cast<int>(child));
    std::fflush(stdout);
    _exit(kExitOk);
  }
  setsid();
  return true;
}

int Run(const Arguments& arguments) {
  std::string content;
  if (!ReadFile(arguments.file, &content)) return kExitUsage;
  RunSettings settings;
  if (!ReadSettings(arguments.settings, &settings.options)) return kExitUsage;
  std::vector<PlannedJob> jobs;
  const size_t first = content.find_first_not_of(" \t\r\n");
  if (first != std::string::npos && content[first] == '{') {
    jobs.push_back({arguments.file, content, {}, false});
  } else {
    const auto registry = MakeRegistry();
    auto planner = PlannerProcess::Start(*registry);
    if (!planner.ok()) return Complain(planner.status().message(), kExitUsage);
    auto answer = (*planner)->Compile(content, "", settings.options);
    if (!answer.ok()) {
      return Complain(arguments.file + ": " + answer.status().message(), kExitUsage);
    }
    for (const std::string& result : answer->results) std::fputs(result.c_str(), stdout);
    jobs = std::move(answer->jobs);
    if (jobs.empty() && answer->results.empty()) {
      return Complain(arguments.file + ": nothing to run: the script has no INSERT and no SELECT",
                      kExitUsage);
    }
  }
  if (jobs.size() > 1) {
    return Complain(
        arguments.file + " holds " + std::to_string(jobs.size()) +
            " jobs; to run them as one put them between EXECUTE STATEMENT SET BEGIN and "
            "END",
        kExitUsage);
  }
  if (arguments.detached && !Detach()) return Complain("can't start a process", kExitFailed);
  for (PlannedJob& job : jobs) {
    RunSettings one = settings;
    for (const auto& [key, value] : job.options) one.options.emplace(key, value);
    if (!arguments.checkpoint_dir.empty()) {
      one.options["execution.checkpointing.dir"] = arguments.checkpoint_dir;
    }
    if (!arguments.checkpoint_interval.empty()) {
      one.options["execution.checkpointing.interval"] = arguments.checkpoint_interval;
    }
    if (arguments.batch_size > 0) {
      one.options["millrace.batch.rows"] = std::to_string(arguments.batch_size);
    }
    one.parallelism = arguments.parallelism;
    if (one.parallelism == 0) {
      auto found = one.options.find("parallelism.default");
      one.parallelism = found == one.options.end() ? 1 : std::atoi(found->second.c_str());
    }
    if (one.parallelism < 1) return Complain("-p must be at least 1", kExitUsage);
    auto named = one.options.find("pipeline.name");
    one.name = !arguments.name.empty()      ? arguments.name
               : named != one.options.end() ? named->second
                                            : job.name;
    one.restore_path = arguments.savepoint;
    one.allow_non_restored = arguments.allow_non_restored;
    one.quiet = arguments.quiet || arguments.detached || arguments.json;
    one.json = arguments.json;
    one.rest_port = arguments.rest_port;
    if (!arguments.stop_with_savepoint.empty()) {
      one.savepoint_when_idle = arguments.stop_with_savepoint;
      one.idle_ms = arguments.idle_ms;
    }
    const int code = RunPlan(job.plan_json, one);
    if (code != kExitOk) return code;
  }
  return kExitOk;
}

}  // namespace

void AddRunCommand(CLI::App& app, RunAction* run) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand("run", "Run a job: a SQL script or a compiled plan");
  command->add_option("file", arguments->file, "script.sql, or plan.json (Flink's COMPILE PLAN)")
      ->required();
  command->add_option("-p,--parallelism", arguments->parallelism, "Subtasks of each vertex (1)")
      ->check(CLI::Range(1, 32768));
  command->add_option(
      "-s,--from-savepoint", arguments->savepoint,
      "Resume from this checkpoint or savepoint, or from the newest checkpoint in a "
      "job's folder");
  command->add_flag("-d,--detached", arguments->detached,
                    "Run in the background and print the process id");
  command->add_flag("-n,--allow-non-restored-state", arguments->allow_non_restored,
                    "Drop restored state that no operator wants");
  command->add_option("-D", arguments->settings, "Set an option: -D key=value (Flink's names)");
  command->add_option("--checkpoint-dir", arguments->checkpoint_dir,
                      "Same as -D execution.checkpointing.dir=...");
  command->add_option("--checkpoint-interval", arguments->checkpoint_interval,
                      "Same as -D execution.checkpointing.interval=..., such as '1 s'");
  command->add_option("--batch-size", arguments->batch_size, "Most rows of a batch (1024)")
      ->check(CLI::Range(1, 1 << 20));
  command->add_option("--name", arguments->name, "Name of the job");
  command
      ->add_option("--rest-port", arguments->rest_port,
                   "Port of the REST API on the loopback address; 0: any free one, -1: none")
      ->check(CLI::Range(-1, 65535));
  command->add_flag("-q,--quiet", arguments->quiet, "No progress");
  command->add_flag(
      "--json", arguments->json,
      "Events for programs, one JSON object a line: job, state, checkpoint, restart, end");
  command->add_option("--stop-with-savepoint", arguments->stop_with_savepoint,
                      "When nothing has moved for a while, stop with a savepoint into this folder");
  command->add_option("--stop-after-idle-ms", arguments->idle_ms, "That while, in milliseconds");
  command->footer(
      "Ctrl-C or SIGTERM stops at a final checkpoint and says how to resume; twice aborts.\n"
      "Exit codes: 0 finished or stopped, 1 the job failed, 2 it could not begin, 3 aborted.\n\n"
      "Examples:\n"
      "  millrace run job.sql --checkpoint-dir /var/lib/ck --checkpoint-interval '10 s'\n"
      "  millrace run plan.json -p 2 -s /var/lib/ck/6a1f0000000000000000000000000000\n");
  command->callback([arguments, run] { *run = [arguments] { return Run(*arguments); }; });
}

}  // namespace millrace::jobs
