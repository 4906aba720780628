#include "runtime/engine/sink_commits.h"

#include <algorithm>
#include <span>
#include <utility>

#include "runtime/api/crash_point.h"

namespace millrace::runtime {

namespace {

constexpr int kTries = 30;
constexpr int64_t kFirstPauseMs = 50;
constexpr int64_t kLongestPauseMs = 2000;

void Append(std::vector<Committable>& to, std::vector<Committable> from) {
  to.insert(to.end(), std::make_move_iterator(from.begin()), std::make_move_iterator(from.end()));
}

}  // namespace

void SinkCommits::Begin(std::vector<Execution::SinkParts>& sinks) {
  ++generation_;
  ended_ = false;
  queues_.clear();
  waiting_.clear();
  for (Execution::SinkParts& sink : sinks) queues_[sink.uid].committer = sink.committer;
}

void SinkCommits::Prepared(const std::string& uid, std::vector<Committable> committables) {
  auto found = queues_.find(uid);
  if (found == queues_.end() || found->second.committer == nullptr) return;
  Append(found->second.prepared, std::move(committables));
}

SinkCommits::ByUid SinkCommits::Uncommitted() const {
  ByUid all;
  for (const auto& [uid, queue] : queues_) {
    std::vector<Committable> of_sink;
    if (queue.committing != nullptr) of_sink = *queue.committing;
    Append(of_sink, queue.released);
    Append(of_sink, queue.prepared);
    if (!of_sink.empty()) all.emplace(uid, std::move(of_sink));
  }
  return all;
}

void SinkCommits::CommitUpTo(int64_t id, std::function<void(bool)> then) {
  waiting_.push_back({id, std::move(then)});
  for (auto& [uid, queue] : queues_) {
    const auto later = std::stable_partition(
        queue.prepared.begin(), queue.prepared.end(),
        [&](const Committable& committable) { return committable.checkpoint_id <= id; });
    Append(queue.released,
           {std::make_move_iterator(queue.prepared.begin()), std::make_move_iterator(later)});
    queue.prepared.erase(queue.prepared.begin(), later);
    if (queue.committing == nullptr) Next(uid, queue);
  }
  RunWaiting();
}

// Begins the commit of `committing`, or of what waits behind it.
void SinkCommits::Next(const std::string& uid, Queue& queue) {
  if (ended_) return;
  queue.retry_at_ms = INT64_MAX;
  if (queue.committing == nullptr) {
    if (queue.released.empty()) return;
    queue.committing =
        std::make_shared<std::vector<Committable>>(std::exchange(queue.released, {}));
    queue.tries = 0;
    queue.pause_ms = kFirstPauseMs;
  }
  ++queue.tries;
  ++running_;
  queue.in_flight = true;
  engine_.run_io(
      [this, batch = queue.committing, committer = queue.committer, uid, generation = generation_] {
        CrashPoint("before-commit");
        // In two parts, so that a test can stop between them.
        const size_t half = batch->size() / 2;
        Status status = half == 0 ? Status::Ok() : committer->Commit(std::span(*batch).first(half));
        if (status.ok()) {
          CrashPoint("mid-commit");
          status = committer->Commit(std::span(*batch).subspan(half));
        }
        engine_.post([this, uid, generation, status] { Ended(uid, generation, status); });
      });
}

void SinkCommits::Ended(const std::string& uid, int64_t generation, const Status& status) {
  --running_;
  if (generation == generation_ && !ended_) {
    Queue& queue = queues_[uid];
    queue.in_flight = false;
    if (status.ok()) {
      queue.committing.reset();
      Next(uid, queue);
      RunWaiting();
    } else if (status.retry() == Retry::kNo || queue.tries >= kTries) {
      engine_.failed(status.Within("commit of " + uid));
    } else {
      queue.retry_at_ms = engine_.now_ms() + queue.pause_ms;
      queue.pause_ms = std::min(queue.pause_ms * 2, kLongestPauseMs);
    }
  }
  engine_.settled();
}

int64_t SinkCommits::RetryDue() {
  int64_t due = INT64_MAX;
  for (auto& [uid, queue] : queues_) {
    if (queue.retry_at_ms <= engine_.now_ms()) Next(uid, queue);
    due = std::min(due, queue.retry_at_ms);
  }
  return due;
}

void SinkCommits::RunWaiting() {
  int64_t least = INT64_MAX;  // of what may be committed and is not
  const auto look_at = [&](const std::vector<Committable>& all) {
    for (const Committable& committable : all) least = std::min(least, committable.checkpoint_id);
  };
  for (const auto& [uid, queue] : queues_) {
    if (queue.committing != nullptr) look_at(*queue.committing);
    look_at(queue.released);
  }
  std::vector<Waiting> ready;
  while (!waiting_.empty() && waiting_.front().id < least) {
    ready.push_back(std::move(waiting_.front()));
    waiting_.erase(waiting_.begin());
  }
  for (Waiting& waiting : ready) waiting.then(true);
}

void SinkCommits::End() {
  ended_ = true;
  for (auto& [uid, queue] : queues_) queue.retry_at_ms = INT64_MAX;
  for (Waiting& waiting : std::exchange(waiting_, {})) waiting.then(false);
}

}  // namespace millrace::runtime
