#include "connectors/filesystem/io_lane.h"

#include <condition_variable>
#include <deque>
#include <mutex>

namespace millrace::connectors {

using runtime::Status;

struct IoLane::State {
  std::function<void()> wake;
  std::mutex mutex;
  std::condition_variable piece_done;
  std::deque<std::function<Status()>> queue;
  bool scheduled = false;  // an IO thread works on the queue, or soon will
  bool in_piece = false;
  bool closed = false;
  Status status;
};

IoLane::IoLane(runtime::OperatorContext& context)
    : context_(context), state_(std::make_shared<State>()) {
  state_->wake = context.waker();
}

// Does not wait for work that no IO thread has begun: all of them may be busy destroying.
IoLane::~IoLane() {
  std::unique_lock lock(state_->mutex);
  state_->closed = true;
  state_->queue.clear();
  state_->piece_done.wait(lock, [&] { return !state_->in_piece; });
}

void IoLane::Submit(std::function<Status()> work) {
  {
    std::lock_guard lock(state_->mutex);
    if (!state_->status.ok()) return;
    state_->queue.push_back(std::move(work));
    if (state_->scheduled) return;
    state_->scheduled = true;
  }
  context_.RunIo([state = state_] { Run(state); });
}

void IoLane::Run(const std::shared_ptr<State>& state) {
  while (true) {
    std::function<Status()> work;
    {
      std::lock_guard lock(state->mutex);
      if (state->queue.empty()) {
        state->scheduled = false;
        break;
      }
      work = std::move(state->queue.front());
      state->queue.pop_front();
      state->in_piece = true;
    }
    Status status = work();
    work = nullptr;  // what it holds goes before the owner may go
    {
      std::lock_guard lock(state->mutex);
      state->in_piece = false;
      if (!status.ok()) {
        if (state->status.ok()) state->status = std::move(status);
        state->queue.clear();
      }
      state->piece_done.notify_all();
    }
    state->wake();
  }
  state->wake();
}

bool IoLane::idle() const {
  std::lock_guard lock(state_->mutex);
  return !state_->scheduled;
}

Status IoLane::status() const {
  std::lock_guard lock(state_->mutex);
  return state_->status;
}

}  // namespace millrace::connectors
