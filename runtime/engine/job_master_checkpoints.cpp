// JobMaster: when checkpoints are taken, and what becomes of them.
#include <algorithm>
#include <utility>

#include "runtime/api/crash_point.h"
#include "runtime/engine/job_master.h"

namespace millrace::runtime {

namespace {
constexpr size_t kCheckpointsShown = 20;
constexpr int64_t kFinalRetryMs = 100;
}  // namespace

void JobMaster::Wanted::Answer(Status status, const std::string& path) {
  if (SavepointCallback callback = std::exchange(done, nullptr))
    callback({std::move(status), path});
}

// ---- Asked for ----

bool JobMaster::StopAsked() const {
  return stopping_ || drain_.has_value() || stop_down_.has_value() ||
         std::any_of(wanted_.begin(), wanted_.end(), [](const Wanted& w) { return w.stop; });
}

void JobMaster::StopJob(const std::string& target, bool drain, SavepointCallback done) {
  Post([this, wanted = Wanted{!target.empty(), true, drain, target, std::move(done)}]() mutable {
    if (IsTerminal(state_) || state_ == JobState::kCancelling || state_ == JobState::kFailing) {
      wanted.Answer(Status::User("the job is not running"), "");
      return;
    }
    if (StopAsked()) {
      wanted.Answer(Status::User("the job is being stopped already"), "");
      return;
    }
    const bool down = phase_ == Phase::kWaiting || phase_ == Phase::kTearingDown;
    if (down && (wanted.savepoint || wanted.drain)) {
      wanted.Answer(
          Status::User("the job is restarting after a failure: to drain it or to take a "
                       "savepoint it has to run; to end it at its last checkpoint stop it "
                       "without either"),
          "");
    } else if (down) {
      stop_down_ = std::move(wanted);
      if (phase_ == Phase::kWaiting) End(JobState::kCanceled);
    } else if (wanted.drain) {
      drain_ = std::move(wanted);
      if (execution_ == nullptr) return;  // when it is deployed
      for (auto& subtask : execution_->subtasks()) subtask->EndSources();
    } else {
      wanted_.push_back(std::move(wanted));
    }
  });
}

void JobMaster::TriggerSavepoint(const std::string& target, SavepointCallback done) {
  Post([this, wanted = Wanted{true, false, false, target, std::move(done)}]() mutable {
    if (IsTerminal(state_)) {
      wanted.Answer(Status::User("the job is not running"), "");
    } else {
      wanted_.push_back(std::move(wanted));
    }
  });
}

void JobMaster::TriggerCheckpoint(SavepointCallback done) {
  Post([this, wanted = Wanted{false, false, false, "", std::move(done)}]() mutable {
    if (IsTerminal(state_)) {
      wanted.Answer(Status::User("the job is not running"), "");
    } else {
      wanted_.push_back(std::move(wanted));
    }
  });
}

// ---- When ----

bool JobMaster::AllFinished() const {
  return finished_ == static_cast<int>(execution_->subtasks().size());
}

int64_t JobMaster::NextCheckpointMs() const {
  if (stopping_ || last_taken_) return INT64_MAX;
  // A final one that failed is tried again after a while; the first is due at once.
  if (AllFinished()) {
    return failed_in_a_row_ == 0 ? 0
                                 : last_checkpoint_end_ms_ +
                                       std::max(kFinalRetryMs, options_.checkpoint_min_pause_ms);
  }
  // Once sources were ended early, only the final checkpoint tells the truth about what they gave.
  if (drain_.has_value() || next_checkpoint_ms_ == INT64_MAX) return INT64_MAX;
  return std::max(next_checkpoint_ms_, last_checkpoint_end_ms_ + options_.checkpoint_min_pause_ms);
}

void JobMaster::MaybeTrigger() {
  if (pending_.has_value() || stopping_ || last_taken_) return;
  const bool due = NowMs() >= NextCheckpointMs();
  if (AllFinished()) {
    if (!due) return;
    Wanted wanted;
    if (drain_.has_value()) {
      wanted = std::move(*drain_);
      drain_.reset();
    } else {
      auto stop =
          std::find_if(wanted_.begin(), wanted_.end(), [](const Wanted& w) { return w.stop; });
      if (stop != wanted_.end()) {
        wanted = std::move(*stop);
        wanted_.erase(stop);
      }
    }
    Trigger(std::move(wanted));
  } else if (drain_.has_value()) {
    return;
  } else if (!wanted_.empty()) {
    Wanted wanted = std::move(wanted_.front());
    wanted_.pop_front();
    Trigger(std::move(wanted));
  } else if (due) {
    Trigger({});
  }
}

void JobMaster::Trigger(Wanted wanted) {
  pending_.emplace();
  Pending& pending = *pending_;
  pending.wanted = std::move(wanted);
  pending.barrier = {++last_checkpoint_id_, pending.wanted.savepoint, pending.wanted.stop};
  pending.final = AllFinished();
  pending.in_folder = !options_.checkpoint_directory.empty();
  stopping_ = pending.wanted.stop;
  pending.info.id = last_checkpoint_id_;
  pending.info.savepoint = pending.wanted.savepoint;
  pending.info.trigger_ms = NowMs();
  pending.info.expected = static_cast<int>(execution_->subtasks().size());
  pending.enumerators = splits_.Snapshot();
  splits_.Triggered(last_checkpoint_id_);
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

// ---- What becomes of it ----

void JobMaster::OnSnapshot(SubtaskSnapshot snapshot) {
  auto held = std::make_shared<SubtaskSnapshot>(std::move(snapshot));
  Post([this, held] { SnapshotArrived(std::move(*held)); });
}

void JobMaster::SnapshotArrived(SubtaskSnapshot snapshot) {
  if (execution_ == nullptr) return;
  // Committables count whatever becomes of this checkpoint: the next one takes them along.
  for (OperatorSnapshot& op : snapshot.operators) {
    commits_.Prepared(op.uid, std::exchange(op.committables, {}));
  }
  if (!pending_.has_value() || pending_->barrier.checkpoint_id != snapshot.checkpoint_id) {
    execution_->Find(snapshot.vertex, snapshot.subtask)
        ->CheckpointEnded(snapshot.checkpoint_id, Subtask::CheckpointEnd::kAborted,
                          std::move(snapshot.delta));
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
  auto checkpoint = std::make_shared<CheckpointToWrite>();
  checkpoint->snapshots = std::exchange(pending_->snapshots, {});
  Manifest& manifest = checkpoint->manifest;
  manifest.job_id = job_id_;
  manifest.job_name = graph_.name;
  manifest.checkpoint_id = pending_->barrier.checkpoint_id;
  manifest.time_ms = pending_->info.trigger_ms;
  manifest.max_parallelism = graph_.max_parallelism;
  manifest.enumerators = pending_->enumerators;
  manifest.committables = commits_.Uncommitted();
  checkpoint->state_folder = JobDirectory() + "/shared";
  if (pending_->wanted.savepoint) {
    checkpoint->savepoint = std::string(PathOf(pending_->wanted.target)) + "/savepoint-" +
                            job_id_.substr(0, 6) + "-" + NewJobId().substr(0, 12);
    // The files of changed rows stay among the checkpoints, which build on them: a savepoint holds
    // copies of its own, and whoever has it may remove it.
    if (options_.checkpoint_directory.empty()) checkpoint->state_folder = checkpoint->savepoint;
  }
  // A savepoint of a job that goes on is its checkpoint too. If it were not, a restart from an
  // older one would abort what the savepoint has yet to commit.
  if (!options_.checkpoint_directory.empty() &&
      !(pending_->wanted.savepoint && pending_->wanted.stop)) {
    checkpoint->folder = JobDirectory() + "/chk-" + std::to_string(manifest.checkpoint_id);
  }
  RunIo([this, checkpoint] {
    const std::string folder = checkpoint->folder, savepoint = checkpoint->savepoint;
    auto written = std::make_shared<WrittenCheckpoint>(
        WriteCheckpoint(graph_, environment_, std::move(*checkpoint)));
    Post([this, written, folder, savepoint] { Written(std::move(*written), folder, savepoint); });
  });
}

void JobMaster::Written(WrittenCheckpoint written, const std::string& folder,
                        const std::string& savepoint) {
  if (!written.handles.empty() && !folder.empty()) newest_handles_ = written.handles;
  // Where what was asked for lies, and what the job itself goes on from.
  const std::string path = savepoint.empty() ? folder : savepoint;
  const std::string own = folder.empty() ? savepoint : folder;
  if (!written.status.ok()) {
    const Status why = written.status.Within("checkpoint " + std::to_string(pending_->info.id));
    const bool in_doubt = written.in_doubt && !pending_->aside();
    in_doubt_ |= in_doubt;
    AbortPending(why, !in_doubt, std::move(written.lost));
    if (in_doubt) Failed(why);
    TeardownStep();
    return;
  }
  auto pending = std::make_shared<Pending>(std::move(*pending_));
  pending_.reset();
  if (!pending->aside()) failed_in_a_row_ = 0;
  behind_ &= folder.empty();
  last_checkpoint_end_ms_ = NowMs();
  pending->info.state = CheckpointInfo::State::kCompleted;
  pending->info.duration_ms = last_checkpoint_end_ms_ - pending->info.trigger_ms;
  pending->info.state_bytes = written.bytes;
  pending->info.path = path;
  {
    std::lock_guard lock(mutex_);
    ++status_.completed_checkpoints;
    if (!own.empty()) status_.last_checkpoint_path = own;
    for (CheckpointInfo& info : status_.checkpoints) {
      if (info.id == pending->info.id) info = pending->info;
    }
  }
  if (!folder.empty()) Retain(*pending, written, folder);
  if (!pending->aside() && !own.empty()) restored_ = std::move(written.manifest);
  if (execution_ != nullptr) {
    for (auto& subtask : execution_->subtasks()) {
      subtask->CheckpointEnded(
          pending->info.id,
          pending->aside() ? Subtask::CheckpointEnd::kSavepoint : Subtask::CheckpointEnd::kComplete,
          nullptr);
    }
  }
  if (pending->aside()) {
    pending->wanted.Answer(Status::Ok(), path);
    TeardownStep();
    return;
  }
  const auto answer = [pending, path, status = written.savepoint_status] {
    pending->wanted.Answer(status, status.ok() ? path : "");
  };
  const auto not_committed = [this, pending, path] {
    pending->wanted.Answer(
        Status::External("the job ended before what the checkpoint holds was committed; a job that "
                         "resumes from it commits that: " +
                         path),
        path);
  };
  if (execution_ == nullptr) {  // it ends: the next attempt commits
    not_committed();
    TeardownStep();
    return;
  }
  last_taken_ = pending->final || pending->wanted.stop;
  commits_.CommitUpTo(pending->info.id, [this, pending, answer, not_committed](bool committed) {
    if (!committed) {
      not_committed();
    } else if (!pending->final && !pending->wanted.stop) {
      answer();
    } else {
      Teardown(Status::Ok(), [this, answer] {
        answer();
        End(JobState::kFinished);
      });
    }
  });
}

// Keeps it, and removes what is kept no longer.
void JobMaster::Retain(const Pending& pending, const WrittenCheckpoint& written,
                       const std::string& path) {
  retained_.emplace_back(pending.info.id, path);
  retained_handles_[pending.info.id] = written.handles;
  RunIo([this, directory = JobDirectory() + "/shared"] {
    // What fails is tried again after the next checkpoint; nothing depends on it.
    (void)environment_.state_backend->Compact(directory).ok();
  });
  std::vector<std::string> remove;
  while (retained_.size() > static_cast<size_t>(options_.checkpoints_retained)) {
    remove.push_back(retained_.front().second);
    retained_handles_.erase(retained_.front().first);
    retained_.erase(retained_.begin());
  }
  if (remove.empty()) return;
  std::vector<StateHandle> needed = newest_handles_;
  for (const auto& [id, kept] : retained_handles_) {
    needed.insert(needed.end(), kept.begin(), kept.end());
  }
  RunIo([this, remove, needed, directory = JobDirectory(), keep_from = pending.info.id + 1] {
    Result<FileSystem*> files = environment_.file_systems(directory);
    if (!files.ok()) return;
    for (const std::string& folder : remove) (void)(*files)->RemoveTree(folder).ok();
    (void)environment_.state_backend->Retain(directory + "/shared", needed, keep_from).ok();
  });
}

void JobMaster::AbortPending(const Status& why, bool counts,
                             std::vector<WrittenCheckpoint::Lost> lost) {
  Pending pending = std::move(*pending_);
  pending_.reset();
  last_checkpoint_end_ms_ = NowMs();
  stopping_ = false;
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
    for (SubtaskSnapshot& snapshot : pending.snapshots) {
      lost.push_back({snapshot.vertex, snapshot.subtask, std::move(snapshot.delta)});
    }
    for (auto& subtask : execution_->subtasks()) {
      auto mine = std::find_if(lost.begin(), lost.end(), [&](const WrittenCheckpoint::Lost& one) {
        return one.vertex == subtask->vertex() && one.subtask == subtask->index();
      });
      subtask->CheckpointEnded(pending.info.id, Subtask::CheckpointEnd::kAborted,
                               mine == lost.end() ? nullptr : std::move(mine->delta));
    }
  }
  if (pending.wanted.drain && execution_ != nullptr) {  // sources have ended: it is tried again
    drain_ = std::move(pending.wanted);
  } else {
    pending.wanted.Answer(why, "");
  }
  // Someone asked for it and has the answer: the job need not fail as well.
  if (!counts || execution_ == nullptr ||
      (!pending.final && (pending.wanted.savepoint || pending.wanted.stop)))
    return;
  ++failed_in_a_row_;
  if (failed_in_a_row_ > options_.tolerable_failed_checkpoints) {
    Failed(
        why.Within("checkpoints failed more often than "
                   "'execution.checkpointing.tolerable-failed-checkpoints' allows"));
  }
}

}  // namespace millrace::runtime
