#include "runtime/engine/executor.h"

#include <catch2/catch.hpp>
#include <chrono>
#include <memory>
#include <thread>

namespace millrace::runtime {
namespace {

TEST_CASE("a runnable that was removed never runs again, whatever its last slice asked for") {
  const auto executor = MakeThreadedExecutor(1, 1);
  struct Runs : Runnable {
    explicit Runs(Executor* executor) : executor(executor) {}
    bool RunSlice() override {
      ++slices;
      std::this_thread::sleep_for(std::chrono::milliseconds(20));  // Remove waits for this
      executor->WakeAt(this, executor->clock().NowMs() + 1);
      executor->MakeReady(this);
      return true;
    }
    Executor* const executor;
    std::atomic<int> slices{0};
  };
  for (int i = 0; i < 5; ++i) {
    Runs runnable(executor.get());
    executor->Add(&runnable);
    executor->MakeReady(&runnable);
    while (runnable.slices == 0) std::this_thread::yield();
    executor->Remove(&runnable);
    const int slices = runnable.slices;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    CHECK(runnable.slices == slices);
  }
}

TEST_CASE("timers wake in time order, and a later time replaces an earlier one") {
  const auto executor = MakeThreadedExecutor(1, 1);
  struct Once : Runnable {
    bool RunSlice() override {
      ++slices;
      return false;
    }
    std::atomic<int> slices{0};
  };
  Once early, moved;
  executor->Add(&early);
  executor->Add(&moved);
  const int64_t now = executor->clock().NowMs();
  executor->WakeAt(&moved, now + 5);
  executor->WakeAt(&moved, now + 3'600'000);
  executor->WakeAt(&early, now + 20);
  while (early.slices == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  CHECK(executor->clock().NowMs() >= now + 20);
  CHECK(moved.slices == 0);
  executor->Remove(&early);
  executor->Remove(&moved);
}

}  // namespace
}  // namespace millrace::runtime
