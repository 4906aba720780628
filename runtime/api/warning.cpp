#include "runtime/api/warning.h"

#include <unistd.h>

#include <cstdio>
#include <utility>

namespace millrace::runtime {
namespace {

std::function<void(const std::string&)>& Taker() {
  static auto* const taker = new std::function<void(const std::string&)>();
  return *taker;
}

}  // namespace

void Warn(std::string_view words) {
  if (Taker()) return Taker()(std::string(words));
  // A line of progress may stand there.
  static const bool terminal = ::isatty(STDERR_FILENO) != 0;
  std::string line = terminal ? "\r\033[K" : "";
  line.append("millrace: warning: ").append(words).append("\n");
  std::fwrite(line.data(), 1, line.size(), stderr);
  std::fflush(stderr);
}

void SetWarningTaker(std::function<void(const std::string&)> take) { Taker() = std::move(take); }

}  // namespace millrace::runtime
