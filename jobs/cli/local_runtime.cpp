#include "jobs/cli/local_runtime.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
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

namespace {

constexpr char kDirectoryPrefix[] = "millrace-state-";

// What the process may use: the machine's memory, or less in a container.
uint64_t MachineMemoryBytes() {
  uint64_t bytes = static_cast<uint64_t>(::sysconf(_SC_PHYS_PAGES)) *
                   static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  for (const char* path :
       {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}) {
    std::ifstream file(path);
    uint64_t limit = 0;
    if (file >> limit && limit > 0) bytes = std::min(bytes, limit);
  }
  return bytes;
}

// Takes the lock of a folder's owner, -1: someone has it.
int LockOf(const std::filesystem::path& directory) {
  const int file = ::open((directory.string() + ".lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (file >= 0 && ::flock(file, LOCK_EX | LOCK_NB) == 0) return file;
  if (file >= 0) ::close(file);
  return -1;
}

}  // namespace

// Makes a folder under the system's for temporary files, and removes those of processes that were killed.
Result<std::string> LocalRuntime::MakeOwnDirectory() {
  namespace fs = std::filesystem;
  std::error_code error;
  const fs::path parent = fs::temp_directory_path(error);
  for (const fs::directory_entry& entry : fs::directory_iterator(parent, error)) {
    fs::path directory = entry.path();
    const std::string name = directory.filename().string();
    if (!name.starts_with(kDirectoryPrefix) || !name.ends_with(".lock")) continue;
    directory.replace_extension();
    const int lock = LockOf(directory);
    if (lock < 0) continue;
    std::error_code ignored;
    fs::remove_all(directory, ignored);
    fs::remove(entry.path(), ignored);
    ::close(lock);
  }
  static std::atomic<int> number{0};
  std::string name = kDirectoryPrefix;
  name.append(std::to_string(getpid())).append("-").append(std::to_string(number++));
  const fs::path own = parent / name;
  own_lock_ = LockOf(own);
  if (own_lock_ < 0) {
    return runtime::Status::FromErrno("lock", own.string() + ".lock", errno);
  }
  own_directory_ = own.string();
  return own_directory_;
}

Result<std::unique_ptr<LocalRuntime>> LocalRuntime::Make(const LocalRuntimeOptions& options) {
  auto local = std::unique_ptr<LocalRuntime>(new LocalRuntime());
  local->registry_ = MakeRegistry();
  local->pool_ = runtime::MemoryPool::MakeRoot("worker", static_cast<int64_t>(options.memory_bytes));
  state::StateBackendOptions state_options;
  ASSIGN_OR_RETURN(state_options.type, state::ParseBackendType(options.backend));
  if (state_options.type == state::BackendType::kRocksDb) {
    state_options.local_directory = options.local_directory;
    if (options.local_directory.empty()) {
      ASSIGN_OR_RETURN(state_options.local_directory, local->MakeOwnDirectory());
    }
    const uint64_t all = options.memory_bytes > 0 ? options.memory_bytes : MachineMemoryBytes();
    state_options.budget_bytes = static_cast<int64_t>(
        options.state_memory_bytes > 0
            ? options.state_memory_bytes
            : static_cast<uint64_t>(static_cast<double>(all) * options.managed_fraction));
    RETURN_IF_ERROR(state::CheckStateBudget(state_options.budget_bytes));
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
    std::filesystem::remove(own_directory_ + ".lock", ignored);
    ::close(own_lock_);
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
