#include "runtime/types/status.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace millrace::runtime {

void CheckFailed(const char* file, int line, const char* what) {
  std::fprintf(stderr, "millrace: internal error at %s:%d: this must hold: %s\n", file, line, what);
  std::fflush(stderr);
  std::abort();
}

Status Status::FromErrno(std::string_view call, std::string_view what, int error_number) {
  char text[128];
  const char* words = strerror_r(error_number, text, sizeof(text));
  Error error{Fault::kExternal, Retry::kBackoff, error_number,
              std::string(call) + " failed: " + words + ": " + std::string(what)};
  Status status;
  status.error_ = std::make_shared<Error>(std::move(error));
  return status;
}

const std::string& Status::message() const {
  static const std::string* empty = new std::string();
  return error_ == nullptr ? *empty : error_->message;
}

Status Status::Within(std::string_view where) const {
  if (ok()) return *this;
  Error error = *error_;
  error.message = std::string(where) + ": " + error.message;
  Status status;
  status.error_ = std::make_shared<Error>(std::move(error));
  return status;
}

std::string Status::ToString() const {
  if (ok()) return "OK";
  const char* whose = error_->fault == Fault::kUser       ? "user error: "
                      : error_->fault == Fault::kExternal ? "external error: "
                                                          : "internal error: ";
  return whose + error_->message;
}

}  // namespace millrace::runtime
