#include "jobs/cli/job_events.h"

#include <cstdio>
#include <nlohmann/json.hpp>

#include "runtime/api/clock.h"

namespace millrace::jobs {

using runtime::CheckpointInfo;
using runtime::JobStatus;
using Json = nlohmann::ordered_json;

namespace {

Json OrNull(const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); }

void Tell(const char* event, const Json& more) {
  Json line = {{"event", event}, {"time", runtime::SystemClock().NowMs()}};
  line.update(more);
  const std::string text =
      line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

}  // namespace

void JobEvents::Begin(const JobStatus& status, const std::string& rest_url) {
  if (!enabled_) return;
  last_checkpoint_ = status.restored_checkpoint_id;
  Tell("job",
       {{"job", status.job_id},
        {"name", status.name},
        {"rest", OrNull(rest_url)},
        {"restored", status.restored_checkpoint_id == 0 ? Json(nullptr)
                                                        : Json(status.restored_checkpoint_id)}});
}

void JobEvents::Look(const JobStatus& status) {
  if (!enabled_) return;
  if (status.restarts > restarts_) {
    restarts_ = status.restarts;
    Tell("restart",
         {{"restarts", restarts_},
          {"failure", status.failures.empty() ? Json(nullptr) : Json(status.failures.back())}});
  }
  for (const CheckpointInfo& checkpoint : status.checkpoints) {
    if (checkpoint.id <= last_checkpoint_) continue;
    if (checkpoint.state == CheckpointInfo::State::kInProgress) break;
    last_checkpoint_ = checkpoint.id;
    const bool completed = checkpoint.state == CheckpointInfo::State::kCompleted;
    Tell("checkpoint", {{"id", checkpoint.id},
                        {"state", completed ? "COMPLETED" : "FAILED"},
                        {"savepoint", checkpoint.savepoint},
                        {"path", OrNull(checkpoint.path)},
                        {"duration_ms", checkpoint.duration_ms},
                        {"bytes", checkpoint.state_bytes},
                        {"failure", OrNull(checkpoint.failure)}});
  }
  if (NameOf(status.state) != state_) {
    state_ = NameOf(status.state);
    Tell("state", {{"state", state_}});
  }
}

void JobEvents::End(const JobStatus& status, const std::string& failure, int exit_code) {
  if (!enabled_) return;
  Look(status);
  Tell("end", {{"state", NameOf(status.state)},
               {"restarts", status.restarts},
               {"checkpoints", status.completed_checkpoints},
               {"resume", OrNull(status.last_checkpoint_path)},
               {"failure", OrNull(failure)},
               {"exit", exit_code}});
}

}  // namespace millrace::jobs
