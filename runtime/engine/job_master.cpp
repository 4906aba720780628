#include "runtime/engine/job_master.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <utility>

namespace millrace::runtime {

namespace {

std::string Normal(const std::string& path) {
  const auto normal = std::filesystem::absolute(path).lexically_normal();
  return normal.has_filename() ? normal.string() : normal.parent_path().string();
}

std::string ParentOf(const std::string& path) {
  return std::filesystem::path(Normal(path)).parent_path().string();
}

}  // namespace

JobMaster::JobMaster(JobGraph graph, JobOptions options, WorkerEnvironment environment,
                     JobStart start)
    : graph_(std::move(graph)),
      options_(std::move(options)),
      environment_(std::move(environment)),
      start_(std::move(start)),
      splits_({[this](std::function<void()> work) { RunIo(std::move(work)); },
               [this](std::function<void()> event) { Post(std::move(event)); },
               [this] { return NowMs(); }, [this](const Status& status) { Failed(status); }}),
      commits_({[this](std::function<void()> work) { RunIo(std::move(work)); },
                [this](std::function<void()> event) { Post(std::move(event)); },
                [this] { return NowMs(); }, [this](const Status& status) { Failed(status); },
                [this] { TeardownStep(); }}),
      restarts_(options_) {
  environment_.executor->Add(this);
}

Result<std::shared_ptr<JobMaster>> JobMaster::Make(JobGraph graph, WorkerEnvironment environment,
                                                   JobStart start) {
  RETURN_IF_ERROR(graph.Validate());
  ASSIGN_OR_RETURN(JobOptions options, ReadJobOptions(graph.options));
  auto master = std::shared_ptr<JobMaster>(new JobMaster(std::move(graph), std::move(options),
                                                         std::move(environment), std::move(start)));
  if (!master->start_.restore_path.empty()) {
    ASSIGN_OR_RETURN(FileSystem* const files,
                     master->environment_.file_systems(master->start_.restore_path));
    ASSIGN_OR_RETURN(Manifest manifest,
                     ReadManifest(*files, master->start_.restore_path, &master->restored_folder_));
    master->last_checkpoint_id_ = manifest.checkpoint_id;
    master->newest_handles_ = manifest.Handles();
    master->restored_ = std::move(manifest);
    RETURN_IF_ERROR(master->TakeOverFolder(*files));
  }
  master->job_id_ = master->start_.job_id.empty() ? NewJobId() : master->start_.job_id;
  master->status_.job_id = master->job_id_;
  master->status_.name = master->graph_.name;
  return master;
}

// If the restored checkpoint is one that the job keeps in its folder, it goes on with that: all there
// are its to keep and, when newer ones are complete, to remove. Those newer than the restored one are
// of a past that the user has gone back on: new ones get higher numbers, so that the newest is always
// of this run once it has one.
Status JobMaster::TakeOverFolder(FileSystem& files) {
  if (options_.checkpoint_directory.empty()) return Status::Ok();
  job_id_ = start_.job_id.empty() ? restored_->job_id : start_.job_id;
  if (ParentOf(restored_folder_) != Normal(JobDirectory())) {
    job_id_.clear();
    return Status::Ok();
  }
  start_.job_id = job_id_;
  retained_.emplace_back(restored_->checkpoint_id, restored_folder_);
  retained_handles_[restored_->checkpoint_id] = newest_handles_;
  ASSIGN_OR_RETURN(const std::vector<FileInfo> entries, files.List(JobDirectory()));
  for (const FileInfo& entry : entries) {
    const int64_t number = CheckpointNumber(entry.path);
    if (number < 0 || number == restored_->checkpoint_id) continue;
    behind_ |= number > restored_->checkpoint_id;
    last_checkpoint_id_ = std::max(last_checkpoint_id_, number);
    retained_.emplace_back(number, entry.path);
    // What it names stays as long as it does. One that is not complete names nothing.
    std::string found;
    Result<Manifest> other = ReadManifest(files, entry.path, &found);
    if (other.ok()) retained_handles_[number] = other->Handles();
  }
  std::sort(retained_.begin(), retained_.end());
  return Status::Ok();
}

JobMaster::~JobMaster() { environment_.executor->Remove(this); }

std::string JobMaster::JobDirectory() const {
  return std::string(PathOf(options_.checkpoint_directory)) + "/" + job_id_;
}

void JobMaster::Post(std::function<void()> event) {
  {
    std::lock_guard lock(mutex_);
    events_.push_back(std::move(event));
  }
  environment_.executor->MakeReady(this);
}

void JobMaster::RunIo(std::function<void()> work) {
  environment_.executor->RunIo([self = shared_from_this(), work = std::move(work)] { work(); });
}

void JobMaster::SetState(JobState state) {
  state_ = state;
  std::lock_guard lock(mutex_);
  status_.state = state;
  if (IsTerminal(state)) status_.end_ms = NowMs();
  changed_.notify_all();
}

JobStatus JobMaster::status() const {
  std::lock_guard lock(mutex_);
  return status_;
}

JobState JobMaster::Wait() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return IsTerminal(status_.state); });
  return status_.state;
}

bool JobMaster::WaitFor(int64_t timeout_ms) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, std::chrono::milliseconds(timeout_ms),
                           [&] { return IsTerminal(status_.state); });
}

// ---- Deployment, failure, end ----

void JobMaster::Start() {
  Post([this] {
    {
      std::lock_guard lock(mutex_);
      status_.start_ms = NowMs();
      if (restored_.has_value()) {
        status_.restored_checkpoint_id = restored_->checkpoint_id;
        status_.last_checkpoint_path = restored_folder_;
      }
    }
    Deploy();
  });
}

void JobMaster::Deploy() {
  phase_ = Phase::kDeploying;
  ++attempt_;
  RunIdentity run{job_id_, NewJobId(), attempt_,
                  restored_.has_value() ? restored_->checkpoint_id : 0};
  // The manifest is copied: a later checkpoint may replace it while IO reads it.
  auto manifest = std::make_shared<std::optional<Manifest>>(restored_);
  RunIo([this, run, manifest] {
    auto built = std::make_shared<Result<std::unique_ptr<Execution>>>(Execution::Build(
        graph_, options_, environment_, run, manifest->has_value() ? &**manifest : nullptr,
        start_.allow_non_restored, this));
    Post([this, built] { Deployed(std::move(*built)); });
  });
}

void JobMaster::Deployed(Result<std::unique_ptr<Execution>> built) {
  if (!built.ok()) {
    Failed(built.status());
    return;
  }
  {
    std::lock_guard lock(mutex_);
    execution_ = std::move(*built);
    status_.total_subtasks = static_cast<int>(execution_->subtasks().size());
    status_.finished_subtasks = 0;
  }
  phase_ = Phase::kRunning;
  finished_ = 0;
  stopping_ = last_taken_ = false;
  failed_in_a_row_ = 0;
  commits_.Begin(execution_->sinks());
  if (state_ == JobState::kCancelling) {
    Teardown(Status::External("the job was cancelled"), [this] { End(JobState::kCanceled); });
    return;
  }
  restarts_.Running(NowMs());
  SetState(JobState::kRunning);
  execution_->Start();
  if (options_.checkpoint_interval_ms > 0) {
    // Until this run has a checkpoint of its own, the newest in its folder is not of its past.
    next_checkpoint_ms_ = NowMs() + (behind_ ? 0 : options_.checkpoint_interval_ms);
  }
  splits_.Begin(execution_);
  if (drain_.has_value()) {
    for (auto& subtask : execution_->subtasks()) subtask->EndSources();
  }
}

void JobMaster::Teardown(const Status& why, std::function<void()> then) {
  phase_ = Phase::kTearingDown;
  torn_down_ = std::move(then);
  next_checkpoint_ms_ = INT64_MAX;
  splits_.End();
  commits_.End();
  {
    std::lock_guard lock(mutex_);
    ending_ = std::move(execution_);
    execution_.reset();
  }
  if (pending_.has_value() && !pending_->writing) {
    AbortPending(why, false, {});
  }
  ending_stopped_ = false;
  RunIo([this, ending = ending_.get()] {
    if (ending != nullptr) ending->Stop();
    Post([this] {
      ending_stopped_ = true;
      TeardownStep();
    });
  });
}

void JobMaster::TeardownStep() {
  if (phase_ != Phase::kTearingDown || !ending_stopped_ || torn_down_ == nullptr) return;
  if (commits_.busy() || pending_.has_value()) return;
  auto then = std::make_shared<std::function<void()>>(std::exchange(torn_down_, nullptr));
  // A discovery under way may hold it longer.
  auto held = std::make_shared<std::shared_ptr<Execution>>(std::move(ending_));
  RunIo([this, held, then] {
    held->reset();
    Post([then] { (*then)(); });
  });
}

void JobMaster::Failed(const Status& status) {
  if (phase_ != Phase::kRunning && phase_ != Phase::kDeploying) return;
  if (state_ == JobState::kCancelling) {  // it could not even be built
    End(JobState::kCanceled);
    return;
  }
  {
    std::lock_guard lock(mutex_);
    status_.failures.push_back(status.ToString());
  }
  const Status why = status.Within("the job failed meanwhile");
  const auto is_plain_stop = [](const Wanted& wanted) {
    return wanted.stop && !wanted.drain && !wanted.savepoint;
  };
  // A drain whose final checkpoint is being written: what comes after is not a restart from there,
  // which would read on behind windows that were closed early.
  bool stop = last_taken_ ||
              (pending_.has_value() &&
               (is_plain_stop(pending_->wanted) || (pending_->wanted.drain && pending_->writing)));
  for (Wanted& wanted : std::exchange(wanted_, {})) {
    stop |= is_plain_stop(wanted);
    wanted.Answer(why, "");
  }
  // A drain ends with the failure: the next attempt reads again what this one had read and not
  // stored, so to end its sources at once would leave rows out that were seen before.
  if (drain_.has_value()) drain_->Answer(why, "");
  drain_.reset();
  const std::optional<int64_t> delay = stop ? std::nullopt : restarts_.Failed(status, NowMs());
  if (!delay.has_value()) {
    SetState(JobState::kFailing);
    Teardown(why, [this] { End(JobState::kFailed); });
    return;
  }
  SetState(JobState::kRestarting);
  Teardown(why, [this, delay = *delay] {
    if (state_ == JobState::kCancelling || stop_down_.has_value()) {
      End(JobState::kCanceled);
      return;
    }
    if (in_doubt_) {
      End(JobState::kFailed);
      return;
    }
    {
      std::lock_guard lock(mutex_);
      ++status_.restarts;
    }
    phase_ = Phase::kWaiting;
    restart_at_ms_ = NowMs() + delay;
  });
}

void JobMaster::Cancel() {
  Post([this] {
    const bool finishing = phase_ == Phase::kTearingDown && state_ == JobState::kRunning;
    if (IsTerminal(state_) || state_ == JobState::kCancelling || state_ == JobState::kFailing ||
        finishing) {
      return;
    }
    SetState(JobState::kCancelling);
    if (phase_ == Phase::kWaiting) {
      End(JobState::kCanceled);
    } else if (phase_ == Phase::kRunning) {
      Teardown(Status::External("the job was cancelled"), [this] { End(JobState::kCanceled); });
    }  // kDeploying: Deployed goes on; kTearingDown: what follows it looks at the state
  });
}

void JobMaster::End(JobState state) {
  phase_ = Phase::kEnded;
  std::string path;
  {
    std::lock_guard lock(mutex_);
    path = status_.last_checkpoint_path;
  }
  if (stop_down_.has_value()) {
    if (path.empty()) {
      stop_down_->Answer(Status::External("the job was down and has no checkpoint"), "");
    } else {
      stop_down_->Answer(Status::Ok(), path);
    }
  }
  const Status status = Status::External(std::string("the job has ended: ") + NameOf(state));
  if (drain_.has_value()) drain_->Answer(status, "");
  drain_.reset();
  for (Wanted& wanted : std::exchange(wanted_, {})) {
    const bool stopped = wanted.stop && !wanted.savepoint && state == JobState::kFinished;
    wanted.Answer(stopped ? Status::Ok() : status, stopped ? path : "");
  }
  SetState(state);
}

void JobMaster::OnFinished(int vertex, int subtask) {
  Post([this] {
    if (execution_ == nullptr) return;
    ++finished_;
    std::lock_guard lock(mutex_);
    status_.finished_subtasks = finished_;
  });
}

void JobMaster::OnFailed(int vertex, int subtask, Status status) {
  Post([this, status = std::move(status)] { Failed(status); });
}

void JobMaster::OnSplitFinished(int vertex, const std::string& split_id) {
  Post([this, vertex, split_id] {
    if (execution_ != nullptr) splits_.SplitFinished(vertex, split_id);
  });
}

bool JobMaster::RunSlice() {
  std::deque<std::function<void()>> events;
  {
    std::lock_guard lock(mutex_);
    events.swap(events_);
  }
  for (auto& event : events) event();
  const int64_t now = NowMs();
  int64_t due = INT64_MAX;
  if (phase_ == Phase::kWaiting) {
    if (now >= restart_at_ms_) {
      Deploy();
    } else {
      due = restart_at_ms_;
    }
  }
  if (phase_ == Phase::kRunning) due = std::min(splits_.Advance(), commits_.RetryDue());
  if (phase_ == Phase::kRunning && pending_.has_value() && !pending_->writing) {
    const int64_t timeout = pending_->info.trigger_ms + options_.checkpoint_timeout_ms;
    if (now >= timeout) {
      AbortPending(Status::External("checkpoint took longer than "
                                    "'execution.checkpointing.timeout'"),
                   true, {});
    }
  }
  if (phase_ == Phase::kRunning) {
    MaybeTrigger();
    if (!pending_.has_value()) {
      due = std::min(due, NextCheckpointMs());
    } else if (!pending_->writing) {
      due = std::min(due, pending_->info.trigger_ms + options_.checkpoint_timeout_ms);
    }
  }
  if (due != INT64_MAX) environment_.executor->WakeAt(this, std::max(due, now + 1));
  std::lock_guard lock(mutex_);
  return !events_.empty();
}

std::vector<JobMaster::SubtaskMetrics> JobMaster::CollectMetrics() const {
  std::lock_guard lock(mutex_);
  std::vector<SubtaskMetrics> all;
  if (execution_ == nullptr) return all;
  const int64_t now = environment_.executor->clock().MonotonicNanos();
  for (auto& subtask : execution_->subtasks()) {
    const TimeAccount& time = subtask->time_account();
    SubtaskMetrics metrics{subtask->vertex(),
                           subtask->index(),
                           subtask->name(),
                           time.NanosIn(TimeAccount::State::kBusy, now),
                           time.NanosIn(TimeAccount::State::kIdle, now),
                           time.NanosIn(TimeAccount::State::kBackPressured, now),
                           {},
                           {}};
    for (const auto& [uid, store] : subtask->metrics()) {
      metrics.numbers.emplace_back(uid, store->Numbers());
      metrics.texts.emplace_back(uid, store->Texts());
    }
    all.push_back(std::move(metrics));
  }
  return all;
}

}  // namespace millrace::runtime
