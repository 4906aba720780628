#pragma once

#include <functional>
#include <memory>

#include "runtime/api/operator.h"

namespace millrace::connectors {

// Runs blocking work of one owner on IO threads, one piece at a time, in order. After a piece failed
// the others are dropped. One thread submits and asks; the owner's waker is called after each piece.
// The destructor waits for the piece that is running, if any, and drops the rest.
class IoLane {
 public:
  explicit IoLane(runtime::OperatorContext& context);
  ~IoLane();

  void Submit(std::function<runtime::Status()> work);
  // Nothing is queued or running.
  bool idle() const;
  // The first failure.
  runtime::Status status() const;

 private:
  struct State;
  static void Run(const std::shared_ptr<State>& state);

  runtime::OperatorContext& context_;
  const std::shared_ptr<State> state_;  // of the lane and of its work on an IO thread
};

}  // namespace millrace::connectors
