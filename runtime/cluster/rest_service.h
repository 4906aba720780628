#pragma once

#include <memory>
#include <string>

#include "runtime/engine/job_master.h"

namespace millrace::runtime {

// Serves the jobs of this process over HTTP with Flink's paths (rest_v1_dispatcher; with and without
// the prefix /v1), so that Flink's command line and scripts work, and /metrics for Prometheus.
class RestService {
 public:
  // Listens on the loopback address; port 0: any free one.
  static Result<std::unique_ptr<RestService>> Start(int port);
  ~RestService();

  // "http://127.0.0.1:8081".
  const std::string& url() const;
  void AddJob(std::shared_ptr<JobMaster> job);
  // Waits until whoever asked for a savepoint or a stop has fetched the answer, at most so long: the
  // process often ends with the job.
  void Linger(int64_t timeout_ms);
  // No request is answered afterwards; jobs are let go. Idempotent.
  void Stop();

 private:
  struct Parts;
  explicit RestService(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace millrace::runtime
