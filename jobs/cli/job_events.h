#pragma once

#include <cstdint>
#include <string>

#include "runtime/engine/job_status.h"

namespace millrace::jobs {

// Tells a program how a job goes: one JSON object a line on standard output, each with "event" and
// "time" (milliseconds since the epoch):
//   {"event": "job", "job": ID, "name": .., "rest": URL or null, "restored": checkpoint id or null}
//   {"event": "state", "state": "RUNNING"}          each change
//   {"event": "restart", "restarts": 1, "failure": ..}
//   {"event": "checkpoint", "id": 7, "state": "COMPLETED" or "FAILED", "savepoint": false, "path":
//   ..,
//    "duration_ms": 12, "bytes": 345, "failure": ..}
//   {"event": "end", "state": "FINISHED", "restarts": 0, "checkpoints": 3, "resume": PATH or null,
//    "failure": .. or null, "exit": 0}              the last
// What happens between two looks (100 ms) may be told late, and a state that was left at once not
// at all.
class JobEvents {
 public:
  explicit JobEvents(bool enabled) : enabled_(enabled) {}
  void Begin(const runtime::JobStatus& status, const std::string& rest_url);
  // Tells what is new since the last call.
  void Look(const runtime::JobStatus& status);
  void End(const runtime::JobStatus& status, const std::string& failure, int exit_code);

 private:
  const bool enabled_;
  std::string state_;
  int restarts_ = 0;
  int64_t last_checkpoint_ = 0;
};

}  // namespace millrace::jobs
