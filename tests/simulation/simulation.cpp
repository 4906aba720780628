#include "tests/simulation/simulation.h"

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>

#include "operators/register.h"
#include "runtime/engine/job_master.h"
#include "state/state_backend.h"
#include "tests/simulation/external_system.h"
#include "tests/simulation/oracle.h"
#include "tests/simulation/probe.h"
#include "tests/simulation/simulated_file_system.h"
#include "tests/simulation/simulated_job.h"
#include "tests/simulation/simulated_source.h"

namespace millrace::tests {

namespace {

using runtime::JobMaster;
using runtime::JobState;
using runtime::Result;
using runtime::Status;

constexpr int64_t kMs = 1'000'000;
constexpr int64_t kMostSteps = 400'000;        // of one process
constexpr int64_t kMostNanos = 900'000 * kMs;  // virtual time of one process

// How a process is meant to end.
enum class Ending : uint8_t { kByItself, kCrashAtCall, kCrashAtTime, kStop, kDrain, kCancel };

// A command of the user, and its answers.
struct Command {
  std::string what;
  int answers = 0;
  bool ok = false;
  std::string path;
};

class Simulation {
 public:
  Simulation(uint64_t seed, bool print)
      : world_(seed, print),
        plan_(seed * 31 + 7),
        work_(Workload::Make(seed)),
        shape_(JobShape::Make(plan_)),
        external_(&world_),
        first_start_ms_(world_.clock.NowMs()) {}

  SimulationOutcome Run();

 private:
  // What one process consists of; dies with it.
  struct Parts {
    explicit Parts(World* world, ScheduleSettings schedule) : process(world, schedule) {}
    SimulatedProcess process;
    std::unique_ptr<SimulatedFileSystem> files;
    std::unique_ptr<runtime::StateBackend> backend;
    runtime::Registry registry;
    runtime::WorkerEnvironment environment;
    std::shared_ptr<JobMaster> job;
    Status start_failure;
  };
  std::unique_ptr<Parts> MakeParts();
  void RunProcess(bool last);
  void StartJob(Parts& parts);
  Result<std::string> FindRestorePath(Parts& parts);
  void GiveCommand(Parts& parts, Ending ending);
  runtime::SavepointCallback AnswerTo(const std::string& what);
  void CheckAnswers(bool crashed);
  void DrawFaults(bool last);
  void Hang(Parts& parts, const std::string& why);

  World world_;
  Random plan_;
  const Workload work_;
  const JobShape shape_;
  SimulatedDisk disk_;
  ExternalSystem external_;
  const int64_t first_start_ms_;
  std::vector<std::shared_ptr<Command>> commands_;
  bool finished_ = false;  // the job came to its end, rather than being stopped
  bool drained_ = false;
  bool patient_ = false;
  std::string job_id_ = "0123456789abcdef0123456789abcde0";
  int64_t full_at_ = INT64_MAX;  // when the disk has no more room
  std::string savepoint_;        // the last one of the running job; empty if it has failed since
  bool wants_savepoint_ = false;
  std::vector<std::string> removed_;  // savepoints that the user is about to remove
  std::string base_path_;  // the last savepoint of a running job that the job was started from
  int64_t base_id_ = 0;
  int restarts_seen_ = 0;  // of this process
  int restarts_at_savepoint_ = 0;
};

SimulationOutcome Simulation::Run() {
  const int incidents = static_cast<int>(plan_.Between(0, 8));
  for (int i = 0; !finished_ && world_.violation.empty(); ++i) {
    RunProcess(i >= incidents);
    if (i > incidents + 5 && !finished_) world_.Violation("the job does not come to its end");
  }
  if (world_.violation.empty()) {
    CheckOutput(&world_, work_, external_, drained_);
  }
  SimulationOutcome outcome;
  outcome.violation = world_.violation;
  outcome.trace_hash = world_.trace.hash();
  outcome.events = world_.trace.events();
  outcome.virtual_seconds = static_cast<double>(world_.clock.nanos()) / 1e9;
  outcome.counts = world_.counts;
  return outcome;
}

std::unique_ptr<Simulation::Parts> Simulation::MakeParts() {
  ScheduleSettings schedule;
  schedule.favour = plan_.Chance(0.5) ? 0 : 0.9;
  schedule.spurious_wake = plan_.Chance(0.5) ? 0 : 0.02;
  schedule.stall = plan_.Chance(0.6) ? 0 : 0.002;
  schedule.io_delay_max_us = plan_.Between(1, 4) == 1 ? 20'000 : plan_.Between(10, 2000);
  world_.clock.set_read_costs_nanos(plan_.Chance(0.5) ? 100'000 : 400'000);
  auto parts = std::make_unique<Parts>(&world_, schedule);
  SimulatedProcess* process = &parts->process;
  parts->files = std::make_unique<SimulatedFileSystem>(&disk_, process);
  state::StateBackendOptions state_options;
  state_options.type = state::BackendType::kHashMap;
  state_options.files = parts->files.get();
  state_options.clock = &world_.clock;
  parts->backend = state::MakeStateBackend(state_options);
  operators::RegisterOperators(parts->registry);
  RegisterProbes(&parts->registry, process, work_);
  parts->registry.AddConnector(SimulatedConnector(process, &work_, first_start_ms_));
  parts->registry.AddConnector(ExternalConnector(process, &external_));
  parts->registry.SetWatermarkFactory(SimulatedWatermarks(&work_));
  parts->environment.executor = &process->executor();
  parts->environment.registry = &parts->registry;
  parts->environment.state_backend = parts->backend.get();
  parts->environment.pool = runtime::MemoryPool::MakeRoot("simulation", 0);
  parts->environment.file_systems = [files = parts->files.get()](std::string_view) {
    return Result<runtime::FileSystem*>(files);
  };
  return parts;
}

// The newest complete checkpoint, or savepoint at which the job was stopped, that the disk holds;
// or the last savepoint of the running job, if it has not failed since. Empty: none of them.
Result<std::string> Simulation::FindRestorePath(Parts& parts) {
  int64_t newest = 0;
  std::string path;
  for (const std::string& folder :
       {std::string(kCheckpointFolder) + "/" + job_id_, std::string(kStopFolder) + "/" + job_id_}) {
    ASSIGN_OR_RETURN(const auto entries, parts.files->List(folder));
    for (const runtime::FileInfo& entry : entries) {
      ASSIGN_OR_RETURN(const bool complete,
                       parts.files->Exists(entry.path + "/" + runtime::kManifestName));
      if (!complete) continue;
      std::string found;
      ASSIGN_OR_RETURN(const runtime::Manifest manifest,
                       runtime::ReadManifest(*parts.files, entry.path, &found));
      if (manifest.checkpoint_id <= newest) continue;
      newest = manifest.checkpoint_id;
      path = found;
    }
  }
  if (!savepoint_.empty() && wants_savepoint_) {
    std::string found;
    ASSIGN_OR_RETURN(const runtime::Manifest manifest,
                     runtime::ReadManifest(*parts.files, savepoint_, &found));
    // Checkpoints behind it are of a past that the user gives up, with all that they made visible.
    external_.ForgetAfter(manifest.checkpoint_id);
    ++world_.counts["restores of a running job's savepoint"];
    if (manifest.checkpoint_id < newest) {
      ++world_.counts["restores of the past"];
      job_id_.back() = static_cast<char>(job_id_.back() + 1);  // else its old checkpoints are newer
    }
    // It may have been committed by a start that failed: what is older is no way back any more.
    base_path_ = found;
    base_id_ = manifest.checkpoint_id;
    savepoint_.clear();
    return found;
  }
  savepoint_.clear();  // the execution that is about to begin aborts what it has yet to commit
  return newest < base_id_ ? base_path_ : path;
}

// On an IO thread, as whoever starts a job does.
void Simulation::StartJob(Parts& parts) {
  for (int tries = 0;; ++tries) {
    runtime::JobStart start;
    Result<std::string> path = FindRestorePath(parts);
    if (path.ok()) {
      start.job_id = job_id_;
      start.restore_path = *path;
      world_.Note("restore", *path);
      Result<std::shared_ptr<JobMaster>> job = JobMaster::Make(
          MakeSimulatedJob(shape_, work_, patient_, plan_), parts.environment, start);
      if (job.ok()) {
        parts.job = *job;
        parts.job->Start();
        return;
      }
      parts.start_failure = job.status();
    } else {
      parts.start_failure = path.status();
    }
    if (parts.process.dead()) return;
    if (tries == 50 || parts.start_failure.fault() == runtime::Fault::kUser) {
      world_.Violation("the job can't be started: " + parts.start_failure.ToString());
      return;
    }
    parts.process.executor().Pause();
  }
}

void Simulation::DrawFaults(bool last) {
  world_.faults = {};
  world_.source_failures_left = 0;
  disk_.full = false;
  full_at_ = INT64_MAX;
  if (last) return;
  if (plan_.Chance(0.4)) world_.faults.write = plan_.Chance(0.5) ? 0.005 : 0.05;
  if (plan_.Chance(0.2)) world_.faults.read = plan_.Chance(0.5) ? 0.002 : 0.03;
  if (plan_.Chance(0.2)) world_.faults.deploy = plan_.Chance(0.5) ? 0.02 : 0.2;
  if (plan_.Chance(0.1)) full_at_ = world_.clock.nanos() + plan_.Between(1, 2000) * kMs;
  if (plan_.Chance(0.5)) world_.faults.external = plan_.Chance(0.5) ? 0.01 : 0.2;
  if (plan_.Chance(0.4)) {
    world_.faults.source = 0.01;
    world_.source_failures_left = static_cast<int>(plan_.Between(1, 4));
  }
}

runtime::SavepointCallback Simulation::AnswerTo(const std::string& what) {
  auto command = std::make_shared<Command>();
  command->what = what;
  commands_.push_back(command);
  world_.Note("command", what);
  ++world_.counts[what];
  return [this, command](runtime::SavepointResult result) {
    ++command->answers;
    command->ok = result.status.ok();
    command->path = result.path;
    world_.Note("answer", command->what, command->answers, result.status.ok());
    if (command->what == "savepoint" && command->ok) {
      // Whoever has a savepoint may remove it: no checkpoint may need its files.
      if (plan_.Chance(0.3)) {
        removed_.push_back(result.path);
      } else {
        savepoint_ = result.path;
        restarts_at_savepoint_ = restarts_seen_;
      }
    }
    if (command->answers > 1) world_.Violation("answered more than once: " + command->what);
  };
}

void Simulation::CheckAnswers(bool crashed) {
  for (const auto& command : commands_) {
    if (command->answers == 0 && !crashed) world_.Violation("never answered: " + command->what);
    if (command->ok && command->what.starts_with("savepoint") && command->path.empty()) {
      world_.Violation("a savepoint without a path");
    }
  }
}

void Simulation::GiveCommand(Parts& parts, Ending ending) {
  switch (ending) {
    case Ending::kStop:
      parts.job->StopJob(std::string(kStopFolder) + "/" + job_id_, false,
                         AnswerTo("stop with savepoint"));
      return;
    case Ending::kDrain:
      parts.job->StopJob(std::string(kStopFolder) + "/" + job_id_, true, AnswerTo("drain"));
      return;
    case Ending::kCancel:
      ++world_.counts["cancel"];
      parts.job->Cancel();
      return;
    default:
      break;
  }
  if (plan_.Chance(0.5)) {
    parts.job->TriggerSavepoint(kSavepointFolder, AnswerTo("savepoint"));
  } else {
    parts.job->TriggerCheckpoint(AnswerTo("checkpoint"));
  }
}

void Simulation::Hang(Parts& parts, const std::string& why) {
  std::string text = why + "\n" + parts.process.executor().Describe();
  if (parts.job != nullptr) {
    const runtime::JobStatus status = parts.job->status();
    text += "  job is " + std::string(NameOf(status.state)) + ", subtasks finished " +
            std::to_string(status.finished_subtasks) + " of " +
            std::to_string(status.total_subtasks);
    for (const runtime::CheckpointInfo& info : status.checkpoints) {
      if (info.state != runtime::CheckpointInfo::State::kInProgress) continue;
      text += "\n  checkpoint " + std::to_string(info.id) + " is in progress";
    }
    for (const std::string& failure : status.failures) text += "\n  failure: " + failure;
  }
  world_.Violation(text);
}

void Simulation::RunProcess(bool last) {
  const std::unique_ptr<Parts> parts = MakeParts();
  SimulatedProcess& process = parts->process;
  SimulatedExecutor& executor = process.executor();
  const int64_t begin = world_.clock.nanos();
  DrawFaults(last);
  patient_ = last;
  wants_savepoint_ = !savepoint_.empty() && plan_.Chance(0.3);
  commands_.clear();
  restarts_seen_ = restarts_at_savepoint_ = 0;
  ++world_.counts["starts"];

  Ending ending = last ? Ending::kByItself : static_cast<Ending>(plan_.Below(6));
  if (ending == Ending::kDrain && !plan_.Chance(0.3)) ending = Ending::kCrashAtCall;
  const int64_t ends_at = begin + plan_.Between(1, 3000) * kMs;
  if (ending == Ending::kCrashAtCall) {
    process.KillAfterCalls(plan_.Between(1, plan_.Chance(0.5) ? 100 : 1000));
  }
  bool ended = false;
  int64_t next_command = begin + plan_.Between(50, 3000) * kMs;
  int64_t heal_at = begin + plan_.Between(500, 5000) * kMs;

  executor.RunIo([this, &parts = *parts] { StartJob(parts); });
  for (int64_t steps = 0; !process.dead() && world_.violation.empty(); ++steps) {
    if (!executor.Step()) {
      if (parts->job == nullptr || IsTerminal(parts->job->status().state)) break;
      Hang(*parts, "nothing can go on, but the job is not at its end:");
      break;
    }
    if (parts->job == nullptr || (steps % 8 != 0 && !executor.quiet())) continue;
    const runtime::JobStatus status = parts->job->status();
    restarts_seen_ = status.restarts;
    if (IsTerminal(status.state)) {
      if (executor.quiet()) break;
      continue;
    }
    for (const std::string& folder : removed_) disk_.RemoveFolderNow(folder);
    removed_.clear();
    const int64_t now = world_.clock.nanos();
    if (steps > kMostSteps || now > begin + kMostNanos) {
      Hang(*parts, "the job does not come to its end:");
      break;
    }
    if (now > full_at_) disk_.full = true;
    if (now > heal_at) {
      full_at_ = INT64_MAX;
      disk_.full = false;
      world_.faults = {};
      world_.source_failures_left = 0;
      heal_at = INT64_MAX;
    }
    if (!ended && now >= ends_at && ending != Ending::kByItself && ending != Ending::kCrashAtCall) {
      ended = true;
      if (ending == Ending::kCrashAtTime) {
        process.Kill("at its time");
        break;
      }
      GiveCommand(*parts, ending);
    }
    if (now >= next_command) {
      next_command = now + plan_.Between(20, 2000) * kMs;
      GiveCommand(*parts, Ending::kByItself);
    }
  }
  if (!world_.violation.empty()) process.Kill("something is wrong");
  const bool crashed = process.dead();
  if (crashed) {
    ++world_.counts["crashes"];
    executor.Bury();
  } else if (parts->job != nullptr) {
    const runtime::JobStatus status = parts->job->status();
    world_.Note("ended", NameOf(status.state));
    ++world_.counts[std::string("ended ") + NameOf(status.state)];
    world_.counts["restarts"] += status.restarts;
    world_.counts["completed checkpoints"] += status.completed_checkpoints;
    world_.counts["failed checkpoints"] += status.failed_checkpoints;
    if (status.state == JobState::kFinished) {
      bool stopped = false;
      for (const auto& command : commands_) {
        stopped |= command->ok && command->what == "stop with savepoint";
        drained_ |= command->ok && command->what == "drain";
      }
      finished_ = !stopped;
    } else if (last) {
      world_.Violation("a job that meets no faults ended " + std::string(NameOf(status.state)) +
                       (status.failures.empty() ? "" : ": " + status.failures.back()));
    }
  }
  if (world_.violation.empty()) CheckAnswers(crashed);
  // A restart has aborted what the savepoint has yet to commit.
  if (parts->job != nullptr && parts->job->status().restarts != restarts_at_savepoint_) {
    savepoint_.clear();
  }
  parts->job.reset();
  if (process.dead()) {
    executor.Bury();
  } else {
    while (!executor.quiet()) executor.Step();
  }
  if (crashed && plan_.Chance(0.6)) {
    ++world_.counts["losses of power"];
    disk_.LosePower(plan_);
  }
}

}  // namespace

SimulationOutcome RunSimulation(uint64_t seed, bool print_trace) {
  return Simulation(seed, print_trace).Run();
}

}  // namespace millrace::tests
