#include "runtime/engine/job_status.h"

#include <cstdio>
#include <random>

namespace millrace::runtime {

const char* NameOf(JobState state) {
  switch (state) {
    case JobState::kInitializing:
      return "INITIALIZING";
    case JobState::kRunning:
      return "RUNNING";
    case JobState::kRestarting:
      return "RESTARTING";
    case JobState::kFailing:
      return "FAILING";
    case JobState::kCancelling:
      return "CANCELLING";
    case JobState::kCanceled:
      return "CANCELED";
    case JobState::kFinished:
      return "FINISHED";
    case JobState::kFailed:
      return "FAILED";
  }
  return "?";
}

bool IsTerminal(JobState state) {
  return state == JobState::kCanceled || state == JobState::kFinished || state == JobState::kFailed;
}

std::string NewJobId() {
  std::random_device random;
  std::string id;
  for (int i = 0; i < 4; ++i) {
    char part[9];
    std::snprintf(part, sizeof(part), "%08x", random());
    id += part;
  }
  return id;
}

}  // namespace millrace::runtime
