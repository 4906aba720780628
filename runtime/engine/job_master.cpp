#include "runtime/engine/job_master.h"

#include <algorithm>
#include <chrono>
#include <random>

#include "runtime/api/crash_point.h"

namespace millrace::runtime {

namespace {
constexpr size_t kCheckpointsShown = 20;
constexpr int kCommitTries = 30;
}  // namespace

const char* NameOf(JobState state) {
  switch (state) {
    case JobState::kInitializing: return "INITIALIZING";
    case JobState::kRunning: return "RUNNING";
    case JobState::kRestarting: return "RESTARTING";
    case JobState::kFailing: return "FAILING";
    case JobState::kCancelling: return "CANCELLING";
    case JobState::kCanceled: return "CANCELED";
    case JobState::kFinished: return "FINISHED";
    case JobState::kFailed: return "FAILED";
  }
  return "?";
}

bool IsTerminal(JobState state) {
  return state == JobState::kCanceled || state == JobState::kFinished || state == JobState::kFailed;
}

std::string NewJobId() {
  std::random_device random;
  std::string id;
  for (int i = 0; i < 4; ++i) {
    char part[9];
    std::snprintf(part, sizeof(part), "%08x", random());
    id += part;
  }
  return id;
}

JobMaster::JobMaster(JobGraph graph, JobOptions options, WorkerEnvironment environment,
                     JobStart start)
    : graph_(std::move(graph)),
      options_(std::move(options)),
      environment_(std::move(environment)),
      start_(std::move(start)) {
  environment_.executor->Add(this);
}

Result<std::shared_ptr<JobMaster>> JobMaster::Make(JobGraph graph, WorkerEnvironment environment,
                                                   JobStart start) {
  RETURN_IF_ERROR(graph.Validate());
  ASSIGN_OR_RETURN(JobOptions options, ReadJobOptions(graph.options));
  auto master = std::shared_ptr<JobMaster>(
      new JobMaster(std::move(graph), std::move(options), std::move(environment), std::move(start)));
  if (!master->start_.restore_path.empty()) {
    ASSIGN_OR_RETURN(FileSystem* const files,
                     master->environment_.file_systems(master->start_.restore_path));
    ASSIGN_OR_RETURN(Manifest manifest, ReadManifest(*files, master->start_.restore_path,
                                                     &master->restored_folder_));
    if (master->start_.job_id.empty()) master->start_.job_id = manifest.job_id;
    master->last_checkpoint_id_ = manifest.checkpoint_id;
    master->newest_handles_ = manifest.Handles();
    master->restored_ = std::move(manifest);
    // A checkpoint among our own is ours to keep and, when newer ones are complete, to remove.
    master->job_id_ = master->start_.job_id;
    if (!master->options_.checkpoint_directory.empty() &&
        master->restored_folder_.starts_with(master->JobDirectory() + "/chk-")) {
      master->retained_.emplace_back(master->restored_->checkpoint_id, master->restored_folder_);
      master->retained_handles_[master->restored_->checkpoint_id] = master->newest_handles_;
    }
  }
  master->job_id_ = master->start_.job_id.empty() ? NewJobId() : master->start_.job_id;
  master->status_.job_id = master->job_id_;
  master->status_.name = master->graph_.name;
  return master;
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
      if (restored_.has_value()) status_.restored_checkpoint_id = restored_->checkpoint_id;
    }
    Deploy();
  });
}

void JobMaster::Deploy() {
  restart_at_ms_ = INT64_MAX;
  ++attempt_;
  ++generation_;
  RunIdentity run{job_id_, NewJobId(), attempt_, restored_.has_value() ? restored_->checkpoint_id : 0};
  // The manifest is copied: a later checkpoint may replace it while IO reads it.
  auto manifest = std::make_shared<std::optional<Manifest>>(restored_);
  RunIo([this, run, manifest] {
    auto built = std::make_shared<Result<std::unique_ptr<Execution>>>(
        Execution::Build(graph_, options_, environment_, run,
                         manifest->has_value() ? &**manifest : nullptr, start_.allow_non_restored,
                         this));
    Post([this, built] { Deployed(built); });
  });
}

void JobMaster::Deployed(std::shared_ptr<Result<std::unique_ptr<Execution>>> built) {
  if (!built->ok()) {
    Failed(built->status());
    return;
  }
  if (state_ == JobState::kCancelling) {
    auto execution = std::make_shared<std::unique_ptr<Execution>>(std::move(**built));
    RunIo([this, execution] {
      execution->reset();
      Post([this] { SetState(JobState::kCanceled); });
    });
    return;
  }
  {
    std::lock_guard lock(mutex_);
    execution_ = std::move(**built);
    status_.total_subtasks = static_cast<int>(execution_->subtasks().size());
    status_.finished_subtasks = 0;
  }
  finished_ = 0;
  final_taken_ = false;
  committables_.clear();
  running_since_ms_ = NowMs();
  SetState(JobState::kRunning);
  execution_->Start();
  if (options_.checkpoint_interval_ms > 0) {
    next_checkpoint_ms_ = NowMs() + options_.checkpoint_interval_ms;
  }
  for (size_t i = 0; i < execution_->sources().size(); ++i) {
    AssignSplits(execution_->sources()[i]);
    DiscoverSplits(i);
  }
}

void JobMaster::Teardown(std::function<void()> then) {
  ++generation_;
  next_checkpoint_ms_ = INT64_MAX;
  if (pending_.has_value()) AbortPending(Status::External("the job ended"), {});
  std::shared_ptr<Execution> execution;
  {
    std::lock_guard lock(mutex_);
    execution = std::move(execution_);
    execution_.reset();
  }
  commits_running_ = 0;
  after_commit_.clear();
  auto held = std::make_shared<std::shared_ptr<Execution>>(std::move(execution));
  RunIo([this, held, then = std::move(then)] {
    // Commits and discoveries under way may hold it longer; its subtasks end here.
    if (*held != nullptr) (*held)->Stop();
    held->reset();
    Post(then);
  });
}

void JobMaster::Failed(const Status& status) {
  if (state_ == JobState::kFailing || state_ == JobState::kRestarting || IsTerminal(state_)) return;
  if (state_ == JobState::kCancelling) {
    if (execution_ == nullptr) SetState(JobState::kCanceled);
    return;
  }
  {
    std::lock_guard lock(mutex_);
    status_.failures.push_back(status.ToString());
  }
  const int64_t now = NowMs();
  bool restart = status.fault() != Fault::kUser && !stopping_ &&
                 (status.retry() == Retry::kBackoff || status.fault() == Fault::kExternal);
  switch (options_.restart) {
    case RestartStrategy::kNone: restart = false; break;
    case RestartStrategy::kFixedDelay:
      restart &= attempt_ <= options_.restart_attempts;
      restart_delay_ms_ = options_.restart_delay_ms;
      break;
    case RestartStrategy::kExponentialDelay:
      if (restart_delay_ms_ == 0 ||
          (running_since_ms_ > 0 && now - running_since_ms_ >= options_.restart_reset_ms)) {
        restart_delay_ms_ = options_.restart_delay_ms;
      } else {
        restart_delay_ms_ =
            std::min(options_.restart_max_delay_ms,
                     static_cast<int64_t>(static_cast<double>(restart_delay_ms_) *
                                          options_.restart_multiplier));
      }
      restart &= attempt_ <= options_.restart_attempts;
      break;
    case RestartStrategy::kFailureRate:
      failure_times_ms_.push_back(now);
      while (!failure_times_ms_.empty() &&
             failure_times_ms_.front() < now - options_.failure_interval_ms) {
        failure_times_ms_.pop_front();
      }
      restart &= static_cast<int64_t>(failure_times_ms_.size()) <= options_.restart_attempts;
      restart_delay_ms_ = options_.restart_delay_ms;
      break;
  }
  for (Wanted& wanted : wanted_) {
    if (wanted.done) wanted.done({status, ""});
  }
  wanted_.clear();
  after_commit_.clear();
  if (restart) {
    SetState(JobState::kRestarting);
    Teardown([this] {
      if (state_ == JobState::kCancelling) {
        SetState(JobState::kCanceled);
        return;
      }
      {
        std::lock_guard lock(mutex_);
        ++status_.restarts;
      }
      restart_at_ms_ = NowMs() + restart_delay_ms_;
    });
  } else {
    SetState(JobState::kFailing);
    Teardown([this] { SetState(JobState::kFailed); });
  }
}

void JobMaster::Cancel() {
  Post([this] {
    if (IsTerminal(state_) || state_ == JobState::kCancelling || state_ == JobState::kFailing) return;
    const bool deploying = execution_ == nullptr && restart_at_ms_ == INT64_MAX;
    SetState(JobState::kCancelling);
    if (deploying) return;  // Deployed or Teardown's end goes on
    restart_at_ms_ = INT64_MAX;
    Teardown([this] { SetState(JobState::kCanceled); });
  });
}

// ---- Splits ----

void JobMaster::DiscoverSplits(size_t index) {
  Execution::SourceParts& source = execution_->sources()[index];
  if (source.discovering) return;
  source.discovering = true;
  source.next_discovery_ms = INT64_MAX;
  RunIo([this, execution = execution_, generation = generation_, index] {
    Execution::SourceParts& parts = execution->sources()[index];
    auto found = std::make_shared<Result<std::vector<Split>>>(parts.enumerator->Discover());
    Post([this, found, generation, index] {
      if (generation != generation_ || execution_ == nullptr) return;
      Execution::SourceParts& source = execution_->sources()[index];
      source.discovering = false;
      if (!found->ok()) {
        Failed(found->status());
        return;
      }
      for (Split& split : **found) source.unassigned.push_back(std::move(split));
      source.first_assigned = true;
      if (source.enumerator->discovery_interval_ms() > 0) {
        source.next_discovery_ms = NowMs() + source.enumerator->discovery_interval_ms();
      }
      AssignSplits(source);
    });
  });
}

// Gives each unassigned split to the reader that has the fewest.
void JobMaster::AssignSplits(Execution::SourceParts& source) {
  const bool no_more = source.first_assigned && !source.discovering && source.enumerator->done();
  // A reader that was given nothing must know so too: it is idle then, not slow.
  if (!source.first_assigned && source.unassigned.empty()) return;
  if (!source.first_assigned) return;  // waits for the first discovery
  const auto parallelism = source.assigned_counts.size();
  std::vector<std::vector<Split>> by_subtask(parallelism);
  for (Split& split : source.unassigned) {
    const auto least =
        std::min_element(source.assigned_counts.begin(), source.assigned_counts.end());
    ++*least;
    by_subtask[static_cast<size_t>(least - source.assigned_counts.begin())].push_back(
        std::move(split));
  }
  source.unassigned.clear();
  const bool tell_no_more = no_more && !source.no_more_sent;
  if (tell_no_more) source.no_more_sent = true;
  for (size_t i = 0; i < parallelism; ++i) {
    execution_->Find(source.vertex, static_cast<int>(i))
        ->AddSplits(std::move(by_subtask[i]), tell_no_more);
  }
}

void JobMaster::OnSplitFinished(int vertex, const std::string& split_id) {
  Post([this, vertex, split_id] {
    if (execution_ == nullptr) return;
    for (size_t i = 0; i < execution_->sources().size(); ++i) {
      Execution::SourceParts& source = execution_->sources()[i];
      if (source.vertex != vertex) continue;
      source.enumerator->SplitFinished(split_id);
      if (!source.no_more_sent) DiscoverSplits(i);
    }
  });
}

// ---- Checkpoints ----

void JobMaster::StopJob(const std::string& target, bool drain, SavepointCallback done) {
  Post([this, target, drain, done = std::move(done)]() mutable {
    if (IsTerminal(state_) || stopping_) {
      if (done) done({Status::User("the job is not running, or is being stopped already"), ""});
      return;
    }
    Wanted wanted{!target.empty(), true, target, std::move(done)};
    if (drain) {
      draining_ = true;
      drain_ = std::move(wanted);
      if (execution_ != nullptr) {
        for (auto& subtask : execution_->subtasks()) subtask->EndSources();
      }
    } else {
      wanted_.push_back(std::move(wanted));
    }
  });
}

void JobMaster::TriggerSavepoint(const std::string& target, SavepointCallback done) {
  Post([this, target, done = std::move(done)]() mutable {
    if (IsTerminal(state_)) {
      done({Status::User("the job is not running"), ""});
      return;
    }
    wanted_.push_back({true, false, target, std::move(done)});
  });
}

void JobMaster::TriggerCheckpoint(SavepointCallback done) {
  Post([this, done = std::move(done)]() mutable {
    if (IsTerminal(state_)) {
      if (done) done({Status::User("the job is not running"), ""});
      return;
    }
    wanted_.push_back({false, false, "", std::move(done)});
  });
}

void JobMaster::MaybeTrigger() {
  if (state_ != JobState::kRunning || execution_ == nullptr || pending_.has_value() ||
      final_taken_ || stopping_) {
    return;
  }
  for (const Execution::SourceParts& source : execution_->sources()) {
    if (source.discovering) return;  // its enumerator can't be asked now
  }
  const int64_t now = NowMs();
  if (finished_ == static_cast<int>(execution_->subtasks().size())) {
    Trigger(draining_ ? std::move(drain_) : Wanted{});
    return;
  }
  if (!wanted_.empty()) {
    Wanted wanted = std::move(wanted_.front());
    wanted_.pop_front();
    Trigger(std::move(wanted));
    return;
  }
  if (now >= next_checkpoint_ms_ &&
      now >= last_checkpoint_end_ms_ + options_.checkpoint_min_pause_ms) {
    Trigger({});
  }
}

void JobMaster::Trigger(Wanted wanted) {
  pending_.emplace();
  Pending& pending = *pending_;
  pending.barrier = {++last_checkpoint_id_, wanted.savepoint, wanted.stop};
  pending.final = finished_ == static_cast<int>(execution_->subtasks().size());
  final_taken_ = pending.final;
  stopping_ = wanted.stop;
  pending.target = wanted.target;
  if (wanted.done) pending.callbacks.push_back(std::move(wanted.done));
  pending.info.id = last_checkpoint_id_;
  pending.info.savepoint = wanted.savepoint;
  pending.info.trigger_ms = NowMs();
  pending.info.expected = static_cast<int>(execution_->subtasks().size());
  for (Execution::SourceParts& source : execution_->sources()) {
    pending.enumerators[source.uid] = {source.enumerator->Snapshot(), source.unassigned};
  }
  {
    std::lock_guard lock(mutex_);
    status_.checkpoints.push_back(pending.info);
    if (status_.checkpoints.size() > kCheckpointsShown) {
      status_.checkpoints.erase(status_.checkpoints.begin());
    }
  }
  if (options_.checkpoint_interval_ms > 0) {
    next_checkpoint_ms_ = NowMs() + options_.checkpoint_interval_ms;
  }
  for (auto& subtask : execution_->subtasks()) subtask->TriggerCheckpoint(pending.barrier);
}

void JobMaster::OnSnapshot(SubtaskSnapshot snapshot) {
  auto held = std::make_shared<SubtaskSnapshot>(std::move(snapshot));
  Post([this, held] { SnapshotArrived(std::move(*held)); });
}

void JobMaster::SnapshotArrived(SubtaskSnapshot snapshot) {
  if (execution_ == nullptr) return;
  // Committables count whatever becomes of this checkpoint: the next one takes them along.
  for (OperatorSnapshot& op : snapshot.operators) {
    auto& all = committables_[op.uid];
    for (Committable& committable : op.committables) all.push_back(std::move(committable));
    op.committables.clear();
    if (all.empty()) committables_.erase(op.uid);
  }
  if (!pending_.has_value() || pending_->barrier.checkpoint_id != snapshot.checkpoint_id) {
    execution_->Find(snapshot.vertex, snapshot.subtask)
        ->CheckpointEnded(snapshot.checkpoint_id, false, std::move(snapshot.delta));
    return;
  }
  pending_->info.sync_nanos = std::max(pending_->info.sync_nanos, snapshot.sync_nanos);
  pending_->snapshots.push_back(std::move(snapshot));
  ++pending_->info.acknowledged;
  if (pending_->snapshots.size() == execution_->subtasks().size()) WritePending();
}

void JobMaster::WritePending() {
  pending_->writing = true;
  CrashPoint("after-prepare");
  auto snapshots = std::make_shared<std::vector<SubtaskSnapshot>>(std::move(pending_->snapshots));
  std::sort(snapshots->begin(), snapshots->end(),
            [](const SubtaskSnapshot& a, const SubtaskSnapshot& b) {
              return std::tie(a.vertex, a.subtask) < std::tie(b.vertex, b.subtask);
            });
  auto manifest = std::make_shared<Manifest>();
  manifest->job_id = job_id_;
  manifest->job_name = graph_.name;
  manifest->checkpoint_id = pending_->barrier.checkpoint_id;
  manifest->time_ms = pending_->info.trigger_ms;
  manifest->savepoint = pending_->info.savepoint;
  manifest->max_parallelism = graph_.max_parallelism;
  manifest->enumerators = pending_->enumerators;
  manifest->committables = committables_;
  const bool savepoint = pending_->info.savepoint;
  std::string folder;
  if (savepoint) {
    folder = std::string(PathOf(pending_->target)) + "/savepoint-" + job_id_.substr(0, 6) + "-" +
             NewJobId().substr(0, 12);
  } else if (!options_.checkpoint_directory.empty()) {
    folder = JobDirectory() + "/chk-" + std::to_string(manifest->checkpoint_id);
  }
  const std::string state_folder = savepoint ? folder : JobDirectory() + "/shared";
  RunIo([this, snapshots, manifest, folder, state_folder, savepoint, generation = generation_] {
    std::vector<std::unique_ptr<StateDelta>> deltas;
    std::vector<size_t> owner;
    for (size_t i = 0; i < snapshots->size(); ++i) {
      if ((*snapshots)[i].delta == nullptr) continue;
      deltas.push_back(std::move((*snapshots)[i].delta));
      owner.push_back(i);
    }
    uint64_t bytes = 0;
    for (const auto& delta : deltas) bytes += delta->size_bytes();
    std::vector<StateHandle> handles;
    Status status;
    if (!folder.empty()) {
      const auto write = [&]() -> Status {
        if (!deltas.empty()) {
          ASSIGN_OR_RETURN(handles, environment_.state_backend->Write(
                                        state_folder, manifest->checkpoint_id, deltas));
          if (savepoint) {
            ASSIGN_OR_RETURN(handles,
                             environment_.state_backend->WriteSavepoint(folder, handles));
          }
        }
        for (const SubtaskSnapshot& snapshot : *snapshots) {
          const Vertex& vertex = graph_.vertices[static_cast<size_t>(snapshot.vertex)];
          if (manifest->vertices.empty() || manifest->vertices.back().uid != vertex.uid) {
            manifest->vertices.push_back({vertex.uid, vertex.parallelism, {}});
          }
          const auto found = std::find(owner.begin(), owner.end(),
                                       static_cast<size_t>(&snapshot - snapshots->data()));
          manifest->vertices.back().subtasks.push_back(
              {snapshot.subtask,
               found == owner.end() ? StateHandle()
                                    : handles[static_cast<size_t>(found - owner.begin())],
               snapshot.operators});
        }
        ASSIGN_OR_RETURN(FileSystem* const files, environment_.file_systems(folder));
        RETURN_IF_ERROR(files->MakeDirectories(folder));
        CrashPoint("before-manifest");
        RETURN_IF_ERROR(
            files->WriteAtomically(folder + "/" + kManifestName, manifest->Encode()));
        CrashPoint("after-manifest");
        return Status::Ok();
      };
      status = write();
    }
    auto lost = std::make_shared<std::vector<std::unique_ptr<StateDelta>>>();
    if (!status.ok() && handles.empty()) *lost = std::move(deltas);
    Post([this, manifest, status, lost, folder, handles, bytes, generation] {
      if (generation != generation_ || !pending_.has_value()) return;
      if (status.ok() && !folder.empty()) restored_ = *manifest;
      Written(status, std::move(*lost), folder, handles, bytes);
    });
  });
}

void JobMaster::Written(Status status, std::vector<std::unique_ptr<StateDelta>> lost,
                        std::string path, std::vector<StateHandle> handles, uint64_t bytes) {
  const bool savepoint = pending_->info.savepoint;
  if (!handles.empty() && !savepoint) newest_handles_ = handles;
  if (!status.ok()) {
    AbortPending(status.Within("checkpoint " + std::to_string(pending_->info.id)), std::move(lost));
    ++failed_in_a_row_;
    if (stopping_) {
      stopping_ = false;
      Failed(status);
    } else if (failed_in_a_row_ > options_.tolerable_failed_checkpoints) {
      Failed(status.Within("checkpoints failed more often than "
                           "'execution.checkpointing.tolerable-failed-checkpoints' allows"));
    }
    return;
  }
  failed_in_a_row_ = 0;
  Pending pending = std::move(*pending_);
  pending_.reset();
  const int64_t now = NowMs();
  last_checkpoint_end_ms_ = now;
  pending.info.state = CheckpointInfo::State::kCompleted;
  pending.info.duration_ms = now - pending.info.trigger_ms;
  pending.info.state_bytes = bytes;
  pending.info.path = path;
  {
    std::lock_guard lock(mutex_);
    ++status_.completed_checkpoints;
    if (!path.empty()) status_.last_checkpoint_path = path;
    for (CheckpointInfo& info : status_.checkpoints) {
      if (info.id == pending.info.id) info = pending.info;
    }
  }
  for (auto& subtask : execution_->subtasks()) {
    subtask->CheckpointEnded(pending.info.id, true, nullptr);
  }
  if (!savepoint && !path.empty()) {
    retained_.emplace_back(pending.info.id, path);
    retained_handles_[pending.info.id] = handles;
    std::vector<std::string> remove;
    while (retained_.size() > static_cast<size_t>(options_.checkpoints_retained)) {
      remove.push_back(retained_.front().second);
      retained_handles_.erase(retained_.front().first);
      retained_.erase(retained_.begin());
    }
    std::vector<StateHandle> needed = newest_handles_;
    for (const auto& [id, kept] : retained_handles_) {
      needed.insert(needed.end(), kept.begin(), kept.end());
    }
    if (!remove.empty()) {
      RunIo([this, remove, needed, directory = JobDirectory(), keep_from = pending.info.id + 1] {
        Result<FileSystem*> files = environment_.file_systems(directory);
        if (!files.ok()) return;
        for (const std::string& folder : remove) (void)(*files)->RemoveTree(folder).ok();
        (void)environment_.state_backend->Retain(directory + "/shared", needed, keep_from).ok();
      });
    }
  }
  after_commit_.push_back([this, callbacks = std::move(pending.callbacks), path,
                           ends = pending.final || pending.barrier.stop] {
    if (ends) {
      Teardown([this, callbacks, path] {
        SetState(JobState::kFinished);
        for (const SavepointCallback& callback : callbacks) callback({Status::Ok(), path});
      });
    } else {
      for (const SavepointCallback& callback : callbacks) callback({Status::Ok(), path});
    }
  });
  CommitUpTo(pending.info.id);
}

void JobMaster::AbortPending(const Status& why, std::vector<std::unique_ptr<StateDelta>> lost) {
  Pending pending = std::move(*pending_);
  pending_.reset();
  last_checkpoint_end_ms_ = NowMs();
  {
    std::lock_guard lock(mutex_);
    ++status_.failed_checkpoints;
    for (CheckpointInfo& info : status_.checkpoints) {
      if (info.id != pending.info.id) continue;
      info.state = CheckpointInfo::State::kFailed;
      info.failure = why.message();
    }
  }
  if (execution_ != nullptr) {
    // Deltas come in the order of the subtasks that have keyed state; which those are is known by
    // their snapshots when they were not written yet.
    size_t next = 0;
    std::map<std::pair<int, int>, std::unique_ptr<StateDelta>> by_subtask;
    for (SubtaskSnapshot& snapshot : pending.snapshots) {
      by_subtask[{snapshot.vertex, snapshot.subtask}] = std::move(snapshot.delta);
    }
    for (auto& subtask : execution_->subtasks()) {
      std::unique_ptr<StateDelta> delta;
      auto found = by_subtask.find({subtask->vertex(), subtask->index()});
      if (found != by_subtask.end()) {
        delta = std::move(found->second);
      } else if (!lost.empty() && subtask->environment().state != nullptr && next < lost.size()) {
        delta = std::move(lost[next++]);
      }
      subtask->CheckpointEnded(pending.info.id, false, std::move(delta));
    }
  }
  for (const SavepointCallback& callback : pending.callbacks) callback({why, ""});
}

void JobMaster::CommitUpTo(int64_t id) {
  committing_id_ = id;
  for (Execution::SinkParts& sink : execution_->sinks()) {
    auto found = committables_.find(sink.uid);
    if (found == committables_.end()) continue;
    if (sink.committer == nullptr) {
      committables_.erase(found);
      continue;
    }
    ++commits_running_;
    auto batch = std::make_shared<std::vector<Committable>>(std::move(found->second));
    committables_.erase(found);
    RunIo([this, batch, committer = sink.committer, uid = sink.uid, execution = execution_,
           generation = generation_] {
      Status status;
      int64_t pause_ms = 50;
      CrashPoint("before-commit");
      for (int attempt = 0; attempt < kCommitTries; ++attempt) {
        // In two parts, so that a test can stop between them.
        const size_t half = batch->size() / 2;
        status = half == 0 ? Status::Ok() : committer->Commit(std::span(*batch).first(half));
        if (status.ok()) {
          CrashPoint("mid-commit");
          status = committer->Commit(std::span(*batch).subspan(half));
        }
        if (status.ok() || status.retry() == Retry::kNo) break;
        environment_.executor->clock().SleepFor(std::chrono::milliseconds(pause_ms));
        pause_ms = std::min<int64_t>(pause_ms * 2, 2000);
      }
      Post([this, status, uid, generation] {
        if (generation != generation_) return;
        --commits_running_;
        if (!status.ok()) {
          Failed(status.Within("commit of " + uid));
        } else {
          AllCommitted();
        }
      });
    });
  }
  AllCommitted();
}

void JobMaster::AllCommitted() {
  if (commits_running_ > 0) return;
  std::vector<std::function<void()>> then = std::move(after_commit_);
  after_commit_.clear();
  for (auto& action : then) action();
}

void JobMaster::OnFinished(int vertex, int subtask) {
  Post([this] {
    if (execution_ == nullptr) return;
    ++finished_;
    {
      std::lock_guard lock(mutex_);
      status_.finished_subtasks = finished_;
    }
  });
}

void JobMaster::OnFailed(int vertex, int subtask, Status status) {
  Post([this, status = std::move(status)] { Failed(status); });
}

bool JobMaster::RunSlice() {
  std::deque<std::function<void()>> events;
  {
    std::lock_guard lock(mutex_);
    events.swap(events_);
  }
  for (auto& event : events) event();
  if (IsTerminal(state_)) return false;
  const int64_t now = NowMs();
  if (state_ == JobState::kRestarting && now >= restart_at_ms_) Deploy();
  if (execution_ != nullptr && state_ == JobState::kRunning) {
    for (size_t i = 0; i < execution_->sources().size(); ++i) {
      if (now >= execution_->sources()[i].next_discovery_ms &&
          execution_->sources()[i].next_discovery_ms > 0) {
        DiscoverSplits(i);
      }
    }
    if (pending_.has_value() && !pending_->writing &&
        now - pending_->info.trigger_ms > options_.checkpoint_timeout_ms) {
      AbortPending(Status::External("checkpoint took longer than "
                                    "'execution.checkpointing.timeout'"),
                   {});
    }
    MaybeTrigger();
  }
  int64_t due = std::min(next_checkpoint_ms_, restart_at_ms_);
  if (next_checkpoint_ms_ != INT64_MAX && pending_.has_value()) {
    due = pending_->info.trigger_ms + options_.checkpoint_timeout_ms;
  }
  if (execution_ != nullptr) {
    for (const auto& source : execution_->sources()) {
      if (source.next_discovery_ms > 0) due = std::min(due, source.next_discovery_ms);
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
