#include "runtime/engine/split_coordinator.h"

#include <algorithm>
#include <utility>

namespace millrace::runtime {

void SplitCoordinator::Begin(std::shared_ptr<Execution> execution) {
  ++generation_;
  execution_ = std::move(execution);
  progress_.clear();
  for (Execution::SourceParts& source : execution_->sources()) {
    Progress progress;
    progress.snapshot = source.snapshot;
    progress.unassigned = source.unassigned;
    progress.assigned_counts.resize(static_cast<size_t>(source.parallelism));
    progress_.push_back(std::move(progress));
  }
  for (size_t i = 0; i < progress_.size(); ++i) Discover(i);
}

void SplitCoordinator::End() {
  ++generation_;
  execution_.reset();
  progress_.clear();
}

void SplitCoordinator::Discover(size_t index) {
  Progress& progress = progress_[index];
  progress.discovering = true;
  progress.next_ms = INT64_MAX;
  auto heard = std::make_shared<std::vector<std::string>>(std::exchange(progress.finished, {}));
  engine_.run_io([this, execution = execution_, generation = generation_, index, heard] {
    SplitEnumerator& enumerator = *execution->sources()[index].enumerator;
    for (const std::string& id : *heard) enumerator.SplitFinished(id);
    auto found = std::make_shared<Found>();
    Result<std::vector<Split>> splits = enumerator.Discover();
    if (splits.ok()) {
      found->splits = std::move(*splits);
      found->snapshot = enumerator.Snapshot();
      found->interval_ms = enumerator.discovery_interval_ms();
      found->done = enumerator.done();
    } else {
      found->status = splits.status().Within("table " + execution->sources()[index].table);
    }
    engine_.post([this, generation, index, heard, found] {
      if (generation == generation_) Discovered(index, std::move(*heard), std::move(*found));
    });
  });
}

void SplitCoordinator::Discovered(size_t index, std::vector<std::string> heard, Found found) {
  if (!found.status.ok()) {
    engine_.failed(found.status);
    return;
  }
  Progress& progress = progress_[index];
  progress.discovering = false;
  progress.snapshot = std::move(found.snapshot);
  for (Split& split : found.splits) progress.unassigned.push_back(std::move(split));
  if (found.interval_ms > 0) progress.next_ms = engine_.now_ms() + found.interval_ms;
  Execution::SourceParts& source = execution_->sources()[index];
  if (!heard.empty()) {
    for (int i = 0; i < source.parallelism; ++i) {
      execution_->Find(source.vertex, i)->ForgetFinishedSplits(heard, last_barrier_id_);
    }
  }
  Assign(index, found.done && progress.finished.empty());
  if (!progress.finished.empty() && !progress.no_more_sent) Discover(index);
}

// Gives each unassigned split to the reader that was given the fewest. A reader that gets none is
// told so too: it is idle then, not slow.
void SplitCoordinator::Assign(size_t index, bool done) {
  Progress& progress = progress_[index];
  std::vector<std::vector<Split>> by_subtask(progress.assigned_counts.size());
  for (Split& split : progress.unassigned) {
    const auto least =
        std::min_element(progress.assigned_counts.begin(), progress.assigned_counts.end());
    ++*least;
    by_subtask[static_cast<size_t>(least - progress.assigned_counts.begin())].push_back(
        std::move(split));
  }
  progress.unassigned.clear();
  const bool tell_no_more = done && !progress.no_more_sent;
  if (tell_no_more) progress.no_more_sent = true;
  for (size_t i = 0; i < by_subtask.size(); ++i) {
    execution_->Find(execution_->sources()[index].vertex, static_cast<int>(i))
        ->AddSplits(std::move(by_subtask[i]), tell_no_more);
  }
}

void SplitCoordinator::SplitFinished(int vertex, const std::string& split_id) {
  for (size_t i = 0; i < progress_.size(); ++i) {
    if (execution_->sources()[i].vertex != vertex || progress_[i].no_more_sent) continue;
    progress_[i].finished.push_back(split_id);
    if (!progress_[i].discovering) Discover(i);
  }
}

int64_t SplitCoordinator::Advance() {
  int64_t due = INT64_MAX;
  for (size_t i = 0; i < progress_.size(); ++i) {
    if (progress_[i].next_ms <= engine_.now_ms()) Discover(i);
    due = std::min(due, progress_[i].next_ms);
  }
  return due;
}

std::map<std::string, Manifest::EnumeratorPart> SplitCoordinator::Snapshot() const {
  std::map<std::string, Manifest::EnumeratorPart> parts;
  for (size_t i = 0; i < progress_.size(); ++i) {
    parts[execution_->sources()[i].uid] = {progress_[i].snapshot, progress_[i].unassigned};
  }
  return parts;
}

}  // namespace millrace::runtime
