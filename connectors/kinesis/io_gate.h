#pragma once

#include <functional>
#include <mutex>
#include <string>
#include <string_view>

#include "runtime/api/operator.h"

namespace millrace::connectors {

// Lets threads that may outlive a reader or writer start IO work of its context: what comes after
// Close is dropped. Thread-safe.
class IoGate {
 public:
  explicit IoGate(runtime::OperatorContext* context)
      : context_(context), waker_(context->waker()) {}

  // `work` must keep alive what it touches. False: closed, it will not run.
  bool RunIo(std::function<void()> work) {
    std::lock_guard lock(mutex_);
    if (context_ == nullptr) return false;
    context_->RunIo(std::move(work));
    return true;
  }
  void Wake() const { waker_(); }
  // Sets a text metric of the context.
  void SetText(std::string_view name, const std::string& words) {
    std::lock_guard lock(mutex_);
    if (context_ != nullptr) context_->metrics().SetText(name, words);
  }
  bool closed() const {
    std::lock_guard lock(mutex_);
    return context_ == nullptr;
  }
  // The context may die after this.
  void Close() {
    std::lock_guard lock(mutex_);
    context_ = nullptr;
  }

 private:
  mutable std::mutex mutex_;
  runtime::OperatorContext* context_;
  const std::function<void()> waker_;
};

}  // namespace millrace::connectors
