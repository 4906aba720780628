#pragma once

#include <ucontext.h>

#include <functional>

namespace millrace::tests {

// Runs a function on a stack of its own, so that it can stop in the middle and go on later: an IO
// thread of a simulation. All fibers of a simulation run on its one thread.
class Fiber {
 public:
  explicit Fiber(std::function<void()> work);
  // REQUIRES: done, or never resumed.
  ~Fiber();
  Fiber(const Fiber&) = delete;

  // Runs it until it yields or ends. Not from within a fiber.
  void Resume();
  bool done() const { return done_; }
  // Goes back to whoever resumed the fiber that runs now.
  static void Yield();
  // Null outside of every fiber.
  static Fiber* Current();

 private:
  static void Enter();

  std::function<void()> work_;
  char* stack_;
  ucontext_t context_;
  ucontext_t resumer_;
  bool started_ = false;
  bool done_ = false;
};

}  // namespace millrace::tests
