#include "runtime/engine/subtask.h"

#include <algorithm>
#include <utility>

namespace millrace::runtime {

namespace {
// With the last step of a slice (a batch, a piece of a checkpoint) it stays below a millisecond.
constexpr int64_t kSliceNanos = 500'000;
constexpr int64_t kCopyNanos = 300'000;      // of a checkpoint, between two batches
constexpr int64_t kLingerNanos = 3'000'000;  // how long an exchange keeps a row back
}  // namespace

Subtask::Subtask(int vertex, int index, std::string name,
                 std::unique_ptr<SubtaskEnvironment> environment,
                 std::unique_ptr<SubtaskState> state, SubtaskListener* listener)
    : vertex_(vertex),
      index_(index),
      name_(std::move(name)),
      environment_(std::move(environment)),
      state_(std::move(state)),
      listener_(listener) {
  environment_->state = state_.get();
  environment_->waker = std::make_shared<Waker>(environment_->executor, this);
  environment_->executor->Add(this);
}

Subtask::~Subtask() { Stop(); }

void Subtask::Stop() {
  if (stopped_) return;
  stopped_ = true;
  environment_->waker->Disarm();
  environment_->executor->Remove(this);
}

MetricStore& Subtask::metrics_of(const std::string& uid) {
  for (auto& [name, store] : metrics_) {
    if (name == uid) return *store;
  }
  metrics_.emplace_back(uid, std::make_unique<MetricStore>());
  return *metrics_.back().second;
}

void Subtask::AddOperator(std::unique_ptr<OperatorNode> node) {
  operators_.push_back(std::move(node));
}
void Subtask::AddSink(std::unique_ptr<SinkNode> node) { sinks_.push_back(std::move(node)); }
void Subtask::AddExchange(std::unique_ptr<ExchangeNode> node) {
  exchanges_.push_back(std::move(node));
}

void Subtask::Command(std::function<Status()> command) {
  {
    std::lock_guard lock(mutex_);
    commands_.push_back(std::move(command));
    has_commands_.store(true);
  }
  environment_->waker->Wake();
}

void Subtask::Start() {
  auto wake = [waker = environment_->waker] { waker->Wake(); };
  gate_.OnElement(wake);
  for (auto& exchange : exchanges_) exchange->OnRoom(wake);
  Command([this] {
    started_ = true;
    return Status::Ok();
  });
}

void Subtask::AddSplits(std::vector<Split> splits, bool no_more) {
  Command([this, splits = std::move(splits), no_more]() -> Status {
    held_splits_.insert(held_splits_.end(), splits.begin(), splits.end());
    splits_held_ = true;
    no_more_held_ |= no_more;
    return TakeHeldSplits();
  });
}

// What was assigned after a checkpoint was triggered is not yet known to its enumerator part: the
// reader's part must not have it either, so it waits until the barrier has passed.
Status Subtask::TakeHeldSplits() {
  if (!splits_held_ || wanted_.has_value() || passing_.has_value()) return Status::Ok();
  splits_held_ = false;
  RETURN_IF_ERROR(source_->AddSplits(std::exchange(held_splits_, {})));
  if (std::exchange(no_more_held_, false)) source_->NoMoreSplits();
  return Status::Ok();
}

void Subtask::TriggerCheckpoint(const Barrier& barrier) {
  Command([this, barrier] {
    if (barrier.checkpoint_id > last_barrier_id_) wanted_ = barrier;
    return Status::Ok();
  });
}

void Subtask::CheckpointEnded(int64_t id, CheckpointEnd end, std::unique_ptr<StateDelta> lost) {
  auto shared = std::make_shared<std::unique_ptr<StateDelta>>(std::move(lost));
  Command([this, id, end, shared] {
    if (end == CheckpointEnd::kAborted) {
      gate_.CancelAlignment(id);
      if (copying_.has_value() && copying_->checkpoint_id == id) GiveUpCopying();
      if (wanted_.has_value() && wanted_->checkpoint_id == id) wanted_.reset();
      if (suspended_by_ == id) {
        suspended_by_ = 0;
        source_->Resume();
      }
    }
    if (state_ != nullptr) state_->CheckpointEnded(id, std::move(*shared));
    if (end == CheckpointEnd::kComplete && source_ != nullptr) {
      source_->reader().CheckpointComplete(id);
    }
    return Status::Ok();
  });
}

void Subtask::ForgetFinishedSplits(std::vector<std::string> ids, int64_t since) {
  Command([this, ids = std::move(ids), since] {
    if (source_ != nullptr) source_->ForgetFinishedSplits(ids, since);
    return Status::Ok();
  });
}

// Its rows stay changed. What its sinks prepared is durable and in no other snapshot: it goes on.
void Subtask::GiveUpCopying() {
  SubtaskSnapshot snapshot = std::move(*copying_);
  copying_.reset();
  listener_->OnSnapshot(std::move(snapshot));
}

void Subtask::EndSources() {
  Command([this] {
    if (source_ != nullptr) source_->EndNow();
    return Status::Ok();
  });
}

Status Subtask::RunCommands() {
  if (!has_commands_.load()) return Status::Ok();
  std::deque<std::function<Status()>> commands;
  {
    std::lock_guard lock(mutex_);
    commands.swap(commands_);
    has_commands_.store(false);
  }
  for (auto& command : commands) RETURN_IF_ERROR(command());
  return Status::Ok();
}

void Subtask::Fail(Status status) {
  failed_ = true;
  listener_->OnFailed(vertex_, index_, status.Within(name_));
}

void Subtask::FlushExchanges() {
  for (auto& exchange : exchanges_) exchange->Flush();
}

int64_t Subtask::NextTimer(int64_t after_ms) const {
  int64_t next = INT64_MAX;
  const auto look_at = [&](const NodeOperatorContext& context) {
    if (context.timer_ms() > after_ms) next = std::min(next, context.timer_ms());
  };
  if (source_ != nullptr) look_at(source_->context());
  for (const auto& node : operators_) look_at(node->context());
  for (const auto& node : sinks_) look_at(node->context());
  return next;
}

Status Subtask::BarrierPassed(const Barrier& barrier) {
  last_barrier_id_ = barrier.checkpoint_id;
  if (wanted_.has_value() && wanted_->checkpoint_id <= barrier.checkpoint_id) wanted_.reset();
  SubtaskSnapshot snapshot;
  snapshot.vertex = vertex_;
  snapshot.subtask = index_;
  snapshot.checkpoint_id = barrier.checkpoint_id;
  if (source_ != nullptr) {
    OperatorSnapshot part;
    part.uid = source_->uid();
    part.is_source = true;
    ASSIGN_OR_RETURN(part.splits, source_->reader().Snapshot());
    part.finished_splits = source_->FinishedSplitsFor(barrier.checkpoint_id);
    snapshot.operators.push_back(std::move(part));
    if (barrier.stop) {
      source_->Suspend();
      suspended_by_ = barrier.checkpoint_id;
    }
  }
  const auto collect = [&](ChainNode& node) {
    OperatorSnapshot part;
    part.uid = node.uid();
    node.Snapshot(&part);
    snapshot.operators.push_back(std::move(part));
  };
  for (auto& node : operators_) collect(*node);
  for (auto& node : sinks_) collect(*node);
  if (copying_.has_value() && state_ != nullptr) {  // of a checkpoint that was given up meanwhile
    state_->CheckpointEnded(copying_->checkpoint_id, nullptr);
  }
  if (copying_.has_value()) GiveUpCopying();
  if (state_ != nullptr) state_->Freeze(barrier.checkpoint_id, barrier.full);
  copying_ = std::move(snapshot);
  return Status::Ok();
}

// Copies a little of a frozen checkpoint between two batches.
Result<Subtask::Step> Subtask::AdvanceSnapshot(bool* handled) {
  *handled = false;
  if (!copying_.has_value()) return Step::kIdle;
  *handled = true;
  if (state_ != nullptr) {
    const int64_t begin = environment_->executor->clock().MonotonicNanos();
    const bool done = state_->CopySome(kCopyNanos);
    copying_->sync_nanos += environment_->executor->clock().MonotonicNanos() - begin;
    if (!done) {
      *handled = false;  // go on with a batch in between
      return Step::kWorked;
    }
    copying_->delta = state_->TakeDelta();
  }
  SubtaskSnapshot snapshot = std::move(*copying_);
  copying_.reset();
  listener_->OnSnapshot(std::move(snapshot));
  return Step::kWorked;
}

// Gives timers and wakes that are due to nodes within the chain. REQUIRES: the chain is at rest.
Result<Subtask::Step> Subtask::AdvanceNodes(bool* handled) {
  *handled = true;
  if (direct_ == nullptr) {
    const bool timers_due = environment_->now_ms >= environment_->next_timer_ms;
    // A source's timer only makes it poll again.
    if (timers_due && source_ != nullptr) source_->context().TakeTimer(environment_->now_ms);
    Element element;
    for (auto& node : operators_) {
      if (timers_due && node->context().TakeTimer(environment_->now_ms)) {
        element.kind = Element::Kind::kTimer;
      } else if (node->context().TakeWake()) {
        element.kind = Element::Kind::kWake;
      } else {
        continue;
      }
      direct_ = node.get();
      break;
    }
    for (auto& node : sinks_) {
      if (direct_ != nullptr) break;
      if (!timers_due || !node->context().TakeTimer(environment_->now_ms)) continue;
      element.kind = Element::Kind::kTimer;
      direct_ = node.get();
    }
    if (direct_ == nullptr) {
      environment_->next_timer_ms = NextTimer(INT64_MIN);
      *handled = false;
      return Step::kIdle;
    }
    element.time = environment_->now_ms;
    ASSIGN_OR_RETURN(const bool done, direct_->Offer(0, element));
    if (!done) return Step::kBlocked;
  } else {
    ASSIGN_OR_RETURN(const bool done, direct_->Run());
    if (!done) return Step::kBlocked;
  }
  direct_ = nullptr;
  return Step::kWorked;
}

void Subtask::InputEnded() {
  finished_ = true;
  listener_->OnFinished(vertex_, index_);
}

Result<Subtask::Step> Subtask::Advance() {
  bool handled = false;
  ASSIGN_OR_RETURN(const Step snapshot_step, AdvanceSnapshot(&handled));
  if (handled) return snapshot_step;
  const bool copying = snapshot_step == Step::kWorked;

  // First what is in the chain already.
  const bool source_busy = source_ != nullptr && !source_->at_rest();
  if (direct_ == nullptr && source_busy) {
    ASSIGN_OR_RETURN(const SourceNode::Step step, source_->Advance());
    if (step == SourceNode::Step::kBlocked) return copying ? Step::kWorked : Step::kBlocked;
  } else if (direct_ == nullptr && root_ != nullptr && root_->busy()) {
    ASSIGN_OR_RETURN(const bool done, root_->Run());
    if (!done) return copying ? Step::kWorked : Step::kBlocked;
  }
  if (direct_ == nullptr) {
    if (passing_.has_value()) {
      const Barrier barrier = *passing_;
      passing_.reset();
      RETURN_IF_ERROR(BarrierPassed(barrier));
      return Step::kWorked;
    }
    if (ending_) {
      ending_ = false;
      InputEnded();
      return Step::kWorked;
    }
    if (source_ != nullptr) {
      for (const std::string& id : source_->TakeFinishedSplits()) {
        listener_->OnSplitFinished(vertex_, id);
      }
      if (source_->ended() && !finished_) {
        InputEnded();
        return Step::kWorked;
      }
    }
  }

  if (!finished_) {
    ASSIGN_OR_RETURN(const Step step, AdvanceNodes(&handled));
    if (handled) return step == Step::kBlocked && copying ? Step::kWorked : step;
  }

  // One checkpoint at a time: the next barrier waits until this one is copied.
  if (wanted_.has_value() && !copying_.has_value() && (source_ != nullptr || finished_)) {
    const Barrier barrier = *wanted_;
    wanted_.reset();
    passing_ = barrier;
    bool done;
    if (source_ != nullptr) {
      ASSIGN_OR_RETURN(done, source_->Send(Element::Of(barrier)));
    } else {
      ASSIGN_OR_RETURN(done, root_->Offer(0, Element::Of(barrier)));
    }
    return done ? Step::kWorked : Step::kBlocked;
  }
  if (finished_) return copying ? Step::kWorked : Step::kIdle;

  if (state_ != nullptr) {
    state_->SetTime(environment_->now_ms);
    state_->Housekeep();
  }
  if (source_ != nullptr) {
    RETURN_IF_ERROR(TakeHeldSplits());
    ASSIGN_OR_RETURN(const SourceNode::Step step, source_->Advance());
    if (copying) return Step::kWorked;
    return step == SourceNode::Step::kWorked    ? Step::kWorked
           : step == SourceNode::Step::kBlocked ? Step::kBlocked
                                                : Step::kIdle;
  }
  InputGate::Polled polled;
  if (copying_.has_value() && gate_.aligning_id() != 0) return Step::kWorked;
  if (!gate_.Poll(&polled)) return copying ? Step::kWorked : Step::kIdle;
  if (polled.element.kind == Element::Kind::kBarrier) passing_ = polled.element.barrier;
  if (polled.element.kind == Element::Kind::kEnd && gate_.ended()) ending_ = true;
  ASSIGN_OR_RETURN(const bool done, root_->Offer(polled.input, polled.element));
  return done || copying ? Step::kWorked : Step::kBlocked;
}

bool Subtask::RunSlice() {
  const Clock& clock = environment_->executor->clock();
  const int64_t begin = clock.MonotonicNanos();
  time_account_.Enter(TimeAccount::State::kBusy, begin);
  int64_t now = begin;
  Step step = Step::kWorked;
  while (!failed_ && now - begin < kSliceNanos) {
    environment_->now_ms = clock.NowMs();
    Status status = RunCommands();
    if (status.ok()) {
      if (!started_) {
        step = Step::kIdle;
        break;
      }
      Result<Step> advanced = Advance();
      if (advanced.ok()) {
        step = *advanced;
      } else {
        status = advanced.status();
      }
    }
    if (!status.ok()) {
      Fail(std::move(status));
      step = Step::kIdle;
      break;
    }
    now = clock.MonotonicNanos();
    if (step != Step::kWorked) break;
  }
  if (failed_) return false;
  if (step == Step::kWorked) {
    if (now - last_flush_nanos_ > kLingerNanos) {
      FlushExchanges();
      last_flush_nanos_ = now;
    }
    return true;
  }
  FlushExchanges();
  last_flush_nanos_ = now;
  time_account_.Enter(
      step == Step::kBlocked ? TimeAccount::State::kBackPressured : TimeAccount::State::kIdle, now);
  int64_t due = environment_->next_timer_ms = NextTimer(INT64_MIN);
  // Timers wait for a chain at rest. One that is due while the chain is blocked gets its turn when
  // a waker has ended that; to wake for it would only spin.
  if (step == Step::kBlocked) due = NextTimer(environment_->now_ms);
  if (source_ != nullptr && step == Step::kIdle) due = std::min(due, source_->next_due_ms());
  if (due != INT64_MAX && !finished_) environment_->executor->WakeAt(this, due);
  return false;
}

}  // namespace millrace::runtime
