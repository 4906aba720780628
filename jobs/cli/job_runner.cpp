#include "jobs/cli/job_runner.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <mutex>
#include <thread>

#include "jobs/cli/command.h"
#include "jobs/cli/instances.h"
#include "jobs/cli/job_events.h"
#include "jobs/cli/local_runtime.h"
#include "jobs/plan/plan_loader.h"
#include "runtime/cluster/rest_service.h"
#include "runtime/engine/job_options.h"

namespace millrace::jobs {

namespace {

using runtime::JobMaster;
using runtime::JobState;
using runtime::JobStatus;
using runtime::RestService;
using runtime::Result;

std::atomic<int> signals{0};
void OnSignal(int) {
  if (signals.fetch_add(1) >= 1) _exit(kExitAborted);
}

void InstallSignals() {
  struct sigaction action = {};
  action.sa_handler = OnSignal;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  signal(SIGPIPE, SIG_IGN);
}

struct Moved {
  int64_t in = 0;
  int64_t out = 0;
  bool operator==(const Moved&) const = default;
};

Moved CountRows(const JobMaster& master) {
  Moved moved;
  for (const auto& subtask : master.CollectMetrics()) {
    for (const auto& [uid, numbers] : subtask.numbers) {
      auto in = numbers.find("numRecordsIn");
      if (in != numbers.end()) moved.in += in->second;
      auto out = numbers.find("numRecordsOut");
      if (out != numbers.end()) moved.out += out->second;
    }
  }
  return moved;
}

// Holds a job's checkpoint folder for this process, so that no second one writes into it.
class FolderLock {
 public:
  ~FolderLock() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  // False: another process has it. Folders that are not on this machine's disk are not locked.
  bool Take(const std::string& directory) {
    std::error_code error;
    std::filesystem::create_directories(directory, error);
    descriptor_ = ::open((directory + "/LOCK").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    return descriptor_ < 0 || ::flock(descriptor_, LOCK_EX | LOCK_NB) == 0;
  }

 private:
  int descriptor_ = -1;
};

// Shows on a terminal how the job goes, one line that is written over.
class Progress {
 public:
  explicit Progress(bool enabled) : enabled_(enabled && isatty(STDERR_FILENO) != 0) {}
  void Show(const JobMaster& master, const JobStatus& status) {
    if (!enabled_) return;
    const Moved moved = CountRows(master);
    std::fprintf(stderr, "\r\033[K%s  %lld rows read and passed on  checkpoints %lld  restarts %d",
                 NameOf(status.state), static_cast<long long>(moved.out),
                 static_cast<long long>(status.completed_checkpoints), status.restarts);
    shown_ = true;
  }
  void Clear() {
    if (shown_) std::fprintf(stderr, "\r\033[K");
    shown_ = false;
  }

 private:
  const bool enabled_;
  bool shown_ = false;
};

}  // namespace

int RunPlan(const std::string& plan_json, const RunSettings& settings) {
  InstallSignals();
  Result<runtime::JobOptions> options = runtime::ReadJobOptions(settings.options);
  if (!options.ok()) return Complain(options.status().message(), kExitUsage);
  LocalRuntimeOptions runtime_options;
  auto backend = settings.options.find("state.backend.type");
  if (backend != settings.options.end()) runtime_options.backend = backend->second;
  runtime_options.memory_bytes = options->memory_bytes;
  runtime_options.state_memory_bytes = options->state_memory_bytes;
  runtime_options.managed_fraction = options->managed_fraction;
  Result<std::unique_ptr<LocalRuntime>> local = LocalRuntime::Make(runtime_options);
  if (!local.ok()) return Complain(local.status().message(), kExitUsage);

  PlanSettings plan_settings;
  plan_settings.parallelism = settings.parallelism;
  if (options->max_parallelism > 0) plan_settings.max_parallelism = options->max_parallelism;
  plan_settings.name = settings.name;
  plan_settings.options = settings.options;
  Result<runtime::JobGraph> graph = LoadPlan(plan_json, (*local)->registry(), plan_settings);
  if (!graph.ok()) return Complain(graph.status().message(), kExitUsage);

  runtime::JobStart start;
  start.restore_path = settings.restore_path;
  start.allow_non_restored = settings.allow_non_restored;
  Result<std::shared_ptr<JobMaster>> made =
      JobMaster::Make(std::move(*graph), (*local)->environment(), std::move(start));
  if (!made.ok()) return Complain(made.status().message(), kExitUsage);
  std::shared_ptr<JobMaster> master = std::move(*made);

  FolderLock lock;
  if (!options->checkpoint_directory.empty()) {
    const std::string directory =
        std::string(runtime::PathOf(options->checkpoint_directory)) + "/" + master->job_id();
    if (!lock.Take(directory)) {
      return Complain("the job's folder is in use by another process: " + directory +
                          ": stop that job first (millrace list)",
                      kExitUsage);
    }
  }

  std::unique_ptr<RestService> rest;
  std::unique_ptr<InstanceFile> instance;
  if (settings.rest_port >= 0) {
    Result<std::unique_ptr<RestService>> started = RestService::Start(settings.rest_port);
    if (!started.ok()) return Complain(started.status().message(), kExitUsage);
    rest = std::move(*started);
    rest->AddJob(master);
    instance = std::make_unique<InstanceFile>(rest->url());
  }
  JobEvents events(settings.json);
  events.Begin(master->status(), rest != nullptr ? rest->url() : "");
  if (!settings.quiet) {
    std::fprintf(stderr, "job %s  %s%s%s\n", master->job_id().c_str(), master->graph().name.c_str(),
                 rest != nullptr ? "  REST " : "", rest != nullptr ? rest->url().c_str() : "");
  }
  master->Start();

  Progress progress(!settings.quiet);
  bool stopping = false;
  struct StopFailed {
    std::mutex mutex;
    std::string why;
  };
  const auto stop_failed = std::make_shared<StopFailed>();
  std::atomic<bool> savepoint_done{false};
  std::string savepoint_path;
  runtime::Status savepoint_status;
  size_t failures_told = 0;
  Moved last_moved{-1, -1};
  auto last_change = std::chrono::steady_clock::now();
  while (!master->WaitFor(settings.idle_ms > 0 ? 5 : 100)) {
    const JobStatus status = master->status();
    progress.Show(*master, status);
    events.Look(status);
    if (status.state == JobState::kRestarting && status.failures.size() > failures_told) {
      failures_told = status.failures.size();
      progress.Clear();
      std::fprintf(stderr, "restarting after a failure: %s\n", status.failures.back().c_str());
    }
    if (signals.load() > 0 && !stopping) {
      stopping = true;
      progress.Clear();
      if (options->checkpoint_directory.empty()) {
        std::fprintf(stderr, "stopping: no checkpoint folder is set, so nothing to resume from\n");
        master->Cancel();
      } else {
        std::fprintf(stderr, "stopping at a final checkpoint (again to abort)\n");
        // If it can't be taken, what is left is the checkpoint before.
        master->StopJob("", false,
                        [job = master.get(), stop_failed](runtime::SavepointResult result) {
                          if (result.status.ok()) return;
                          std::lock_guard lock(stop_failed->mutex);
                          stop_failed->why = result.status.message();
                          job->Cancel();
                        });
      }
    }
    if (settings.idle_ms > 0 && !stopping && status.state == JobState::kRunning) {
      const Moved moved = CountRows(*master);
      const auto now = std::chrono::steady_clock::now();
      if (!(moved == last_moved)) {
        last_moved = moved;
        last_change = now;
      } else if (now - last_change > std::chrono::milliseconds(settings.idle_ms)) {
        stopping = true;
        master->StopJob(settings.savepoint_when_idle, false, [&](runtime::SavepointResult result) {
          savepoint_path = result.path;
          savepoint_status = result.status;
          savepoint_done.store(true);
        });
      }
    }
  }
  progress.Clear();
  const JobStatus status = master->status();
  for (int i = 0; settings.idle_ms > 0 && stopping && !savepoint_done.load() && i < 200; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  int code = kExitOk;
  const auto tell_how_to_resume = [&] {
    if (status.last_checkpoint_path.empty()) return;
    std::fprintf(stderr, "Resume with: millrace run ... -s %s\n",
                 status.last_checkpoint_path.c_str());
  };
  std::string why;
  {
    std::lock_guard lock(stop_failed->mutex);
    why = stop_failed->why;
  }
  if (status.state == JobState::kFailed) {
    code = Complain("job failed: " + (status.failures.empty() ? "" : status.failures.back()),
                    kExitFailed);
    tell_how_to_resume();
  } else if (savepoint_done.load()) {
    if (!savepoint_status.ok()) {
      code = Complain("savepoint failed: " + savepoint_status.message(), kExitFailed);
    } else {
      std::printf("savepoint: %s\n", savepoint_path.c_str());
    }
  } else if (!why.empty()) {
    code = Complain("stopped without a final checkpoint: " + why, kExitFailed);
    tell_how_to_resume();
  } else if (signals.load() > 0 && !status.last_checkpoint_path.empty()) {
    std::fprintf(stderr, "stopped. ");
    tell_how_to_resume();
  }
  if (!settings.quiet && status.state == JobState::kFinished && signals.load() == 0) {
    std::fprintf(stderr, "finished in %.1f s, %lld checkpoints, %d restarts\n",
                 static_cast<double>(status.end_ms - status.start_ms) / 1000,
                 static_cast<long long>(status.completed_checkpoints), status.restarts);
  }
  events.End(status, code == kExitFailed && !status.failures.empty() ? status.failures.back() : why,
             code);
  if (rest != nullptr) {
    rest->Linger(3000);
    rest->Stop();
  }
  master.reset();
  return code;
}

}  // namespace millrace::jobs
