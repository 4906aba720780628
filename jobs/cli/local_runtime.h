#pragma once

#include <memory>
#include <string>

#include "runtime/api/registry.h"
#include "runtime/engine/job_master.h"

namespace millrace::jobs {

// Everything that is compiled in: operators, connectors, formats.
std::unique_ptr<runtime::Registry> MakeRegistry();

struct LocalRuntimeOptions {
  int threads = 0;                // executor threads; 0: one a core
  std::string backend = "rocksdb";
  uint64_t memory_bytes = 0;      // 0: no budget
  uint64_t state_memory_bytes = 0;  // of keyed state; 0: managed_fraction of memory_bytes, or of the machine's
  double managed_fraction = 0.4;
  std::string local_directory;    // for evicted state; empty: a folder of its own under the system's
};

// Puts the parts together that run jobs in this process: executor, registry, state backend, memory.
class LocalRuntime {
 public:
  static runtime::Result<std::unique_ptr<LocalRuntime>> Make(const LocalRuntimeOptions& options);
  ~LocalRuntime();

  const runtime::Registry& registry() const { return *registry_; }
  runtime::WorkerEnvironment environment() const;
  runtime::MemoryPool& pool() { return *pool_; }

 private:
  LocalRuntime() = default;
  runtime::Result<std::string> MakeOwnDirectory();

  std::unique_ptr<runtime::Registry> registry_;
  std::shared_ptr<runtime::MemoryPool> pool_;
  std::unique_ptr<runtime::StateBackend> state_backend_;
  std::unique_ptr<runtime::Executor> executor_;
  std::string own_directory_;
  int own_lock_ = -1;  // held on a file beside own_directory_ as long as the process lives
};

}  // namespace millrace::jobs
