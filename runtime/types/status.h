#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "runtime/types/check.h"

namespace millrace::runtime {

// Whose fault an error is. The engine fails a job on kUser, and restarts it by its restart strategy
// on kExternal (the world may recover) and kInternal.
enum class Fault : uint8_t { kUser, kExternal, kInternal };

// Whether the same call may succeed later.
enum class Retry : uint8_t { kNo, kBackoff };

// Carries success or an error. One pointer wide, no allocation when OK. Copies share the error.
// Message: static words first, values last; say where, what, and what to do.
class [[nodiscard]] Status {
 public:
  Status() = default;
  static Status Ok() { return {}; }
  static Status User(std::string message) { return {Fault::kUser, Retry::kNo, std::move(message)}; }
  static Status External(std::string message, Retry retry = Retry::kBackoff) {
    return {Fault::kExternal, retry, std::move(message)};
  }
  static Status Internal(std::string message) {
    return {Fault::kInternal, Retry::kNo, std::move(message)};
  }
  // Makes a kExternal error from errno of a failed system call on `what` (a path, a host).
  static Status FromErrno(std::string_view call, std::string_view what, int error_number);

  bool ok() const { return error_ == nullptr; }
  // REQUIRES: !ok() for fault() and retry(). message() of an OK status is empty.
  Fault fault() const { return error_->fault; }
  Retry retry() const { return error_->retry; }
  const std::string& message() const;
  // errno of the failed system call, 0 if none.
  int error_number() const { return error_ == nullptr ? 0 : error_->error_number; }

  // Returns the same error with `where` and ": " put before its message; OK stays OK.
  Status Within(std::string_view where) const;
  // "OK", or "user error: ...".
  std::string ToString() const;

 private:
  struct Error {
    Fault fault;
    Retry retry;
    int error_number = 0;
    std::string message;
  };
  Status(Fault fault, Retry retry, std::string message)
      : error_(std::make_shared<Error>(Error{fault, retry, 0, std::move(message)})) {}

  std::shared_ptr<const Error> error_;
};

// Holds a T or the error that prevented it.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::in_place_index<0>, std::move(value)) {}        // NOLINT: implicit
  Result(Status status) : value_(std::in_place_index<1>, std::move(status)) {  // NOLINT: implicit
    CHECK_THAT_HOLDS(!std::get<1>(value_).ok());
  }
  template <typename U>
    requires(std::is_convertible_v<U, T> && !std::is_same_v<std::decay_t<U>, T> &&
             !std::is_same_v<std::decay_t<U>, Status> && !std::is_same_v<std::decay_t<U>, Result>)
  Result(U&& value) : value_(std::in_place_index<0>, std::forward<U>(value)) {}  // NOLINT

  bool ok() const { return value_.index() == 0; }
  Status status() const { return ok() ? Status::Ok() : std::get<1>(value_); }
  // REQUIRES: ok().
  T& value() & {
    CHECK_THAT_HOLDS(ok());
    return std::get<0>(value_);
  }
  const T& value() const& {
    CHECK_THAT_HOLDS(ok());
    return std::get<0>(value_);
  }
  T&& value() && {
    CHECK_THAT_HOLDS(ok());
    return std::get<0>(std::move(value_));
  }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

 private:
  std::variant<T, Status> value_;
};

}  // namespace millrace::runtime

// Returns from the calling function if `expression` (a Status) failed.
#define RETURN_IF_ERROR(expression)                              \
  do {                                                           \
    ::millrace::runtime::Status mr_status_ = (expression);       \
    if (__builtin_expect(!mr_status_.ok(), 0)) return mr_status_; \
  } while (false)

// Declares or assigns `target` from the Result `expression`, or returns its error.
#define ASSIGN_OR_RETURN(target, expression) \
  ASSIGN_OR_RETURN_IMPL(MR_CONCAT(mr_result_, __LINE__), target, expression)
#define ASSIGN_OR_RETURN_IMPL(name, target, expression)      \
  auto name = (expression);                                  \
  if (__builtin_expect(!name.ok(), 0)) return name.status(); \
  target = std::move(name).value()
