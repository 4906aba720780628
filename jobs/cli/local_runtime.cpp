#include "jobs/cli/local_runtime.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <thread>

#include "connectors/register.h"
#include "operators/register.h"
#include "state/state_backend.h"

namespace millrace::jobs {

using runtime::Result;

std::unique_ptr<runtime::Registry> MakeRegistry() {
  auto registry = std::make_unique<runtime::Registry>();
  operators::RegisterOperators(*registry);
  connectors::RegisterConnectors(registry.get());
  return registry;
}

Result<std::unique_ptr<LocalRuntime>> LocalRuntime::Make(const LocalRuntimeOptions& options) {
  auto local = std::unique_ptr<LocalRuntime>(new LocalRuntime());
  local->registry_ = MakeRegistry();
  local->pool_ = runtime::MemoryPool::MakeRoot("worker", static_cast<int64_t>(options.memory_bytes));
  state::StateBackendOptions state_options;
  ASSIGN_OR_RETURN(state_options.type, state::ParseBackendType(options.backend));
  // State stays in memory whatever the budget: the backend has no cold tier yet (state/README.md).
  // The pool counts against the budget all the same.
  if (options.memory_bytes > 0) {
    local->own_directory_ = options.local_directory;
    if (local->own_directory_.empty()) {
      local->own_directory_ = (std::filesystem::temp_directory_path() /
                               ("millrace-state-" + std::to_string(getpid())))
                                  .string();
    }
    state_options.local_directory = local->own_directory_;
  }
  local->state_backend_ = state::MakeStateBackend(std::move(state_options));
  const int cores = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  local->executor_ =
      runtime::MakeThreadedExecutor(options.threads > 0 ? options.threads : cores, 64);
  return local;
}

LocalRuntime::~LocalRuntime() {
  executor_.reset();
  state_backend_.reset();
  if (!own_directory_.empty()) {
    std::error_code ignored;
    std::filesystem::remove_all(own_directory_, ignored);
  }
}

runtime::WorkerEnvironment LocalRuntime::environment() const {
  runtime::WorkerEnvironment environment;
  environment.executor = executor_.get();
  environment.registry = registry_.get();
  environment.state_backend = state_backend_.get();
  environment.pool = pool_;
  environment.file_systems = runtime::FileSystemOf;
  return environment;
}

}  // namespace millrace::jobs
