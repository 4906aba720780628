#include "runtime/engine/job_options.h"

#include <algorithm>
#include <vector>

namespace millrace::runtime {

namespace {

using T = OptionType;

constexpr OptionSpec kTable[] = {
    {"execution.checkpointing.interval", T::kDuration, nullptr,
     "Time between the starts of two checkpoints. Not set: none but the final one."},
    {"execution.checkpointing.dir", T::kString, nullptr,
     "Folder (URI) under which checkpoints are kept, one folder a job."},
    {"execution.checkpointing.min-pause", T::kDuration, "0 ms",
     "Least time between the end of a checkpoint and the start of the next."},
    {"execution.checkpointing.timeout", T::kDuration, "10 min",
     "A checkpoint that takes longer is given up."},
    {"execution.checkpointing.num-retained", T::kInt, "1", "Completed checkpoints that are kept."},
    {"execution.checkpointing.tolerable-failed-checkpoints", T::kInt, "0",
     "Checkpoints that may fail in a row before the job is restarted."},
    {"execution.checkpointing.mode", T::kEnum, "EXACTLY_ONCE", "The guarantee for state.",
     "EXACTLY_ONCE,AT_LEAST_ONCE"},
    {"restart-strategy.type", T::kEnum, nullptr,
     "What to do when a job fails. Default: exponential-delay with checkpoints, none without.",
     "none,off,disable,fixed-delay,fixeddelay,exponential-delay,exponentialdelay,failure-rate,"
     "failurerate"},
    {"restart-strategy.fixed-delay.attempts", T::kInt, "1", "Restarts before the job fails."},
    {"restart-strategy.fixed-delay.delay", T::kDuration, "1 s", "Pause before a restart."},
    {"restart-strategy.exponential-delay.initial-backoff", T::kDuration, "1 s", "First pause."},
    {"restart-strategy.exponential-delay.max-backoff", T::kDuration, "1 min", "Longest pause."},
    {"restart-strategy.exponential-delay.backoff-multiplier", T::kDouble, "1.5",
     "By what the pause grows with each restart."},
    {"restart-strategy.exponential-delay.reset-backoff-threshold", T::kDuration, "1 h",
     "After so long without a failure the pause is the first one again."},
    {"restart-strategy.exponential-delay.attempts-before-reset-backoff", T::kInt, "2147483647",
     "Restarts before the job fails."},
    {"restart-strategy.failure-rate.max-failures-per-interval", T::kInt, "1",
     "More failures in an interval fail the job."},
    {"restart-strategy.failure-rate.failure-rate-interval", T::kDuration, "1 min", "That interval."},
    {"restart-strategy.failure-rate.delay", T::kDuration, "1 s", "Pause before a restart."},
    {"parallelism.default", T::kInt, "1", "Subtasks of each vertex."},
    {"pipeline.max-parallelism", T::kInt, "-1", "Key groups; the most that a job can be scaled to."},
    {"pipeline.name", T::kString, nullptr, "The job's name."},
    {"state.backend.type", T::kEnum, "rocksdb",
     "hashmap keeps all state in memory, rocksdb evicts to disk over the memory budget.",
     "rocksdb,hashmap"},
    {"state.backend.rocksdb.memory.fixed-per-tm", T::kMemorySize, nullptr,
     "Memory of a worker's keyed state: rows, run buffers, filters and RocksDB. Rows over it are evicted to disk. "
     "Default: taskmanager.memory.managed.size."},
    {"taskmanager.memory.managed.size", T::kMemorySize, nullptr,
     "The same. Default: a part of taskmanager.memory.process.size, or of the machine's memory if that is not set."},
    {"taskmanager.memory.managed.fraction", T::kDouble, "0.4", "That part."},
    {"taskmanager.memory.process.size", T::kMemorySize, nullptr,
     "Memory budget of a worker: what its buffers and state are counted against."},
    {"table.local-time-zone", T::kString, "default",
     "Session time zone, as 'UTC' or 'Europe/Berlin'."},
    {"millrace.batch.rows", T::kInt, "1024", "Most rows of a batch."},
    {"millrace.channel.size", T::kMemorySize, "1 mb",
     "Bytes that wait between two subtasks before the sender stops."},
};

// Names that belong to parts of Flink that have no counterpart here, or to the planner.
bool IsForeign(const std::string& name) {
  static constexpr const char* kPrefixes[] = {
      "table.",   "execution.", "pipeline.", "state.",  "rest.",    "jobmanager.", "taskmanager.",
      "metrics.", "sql-client.", "env.",     "cluster.", "heartbeat.", "web.",     "high-availability.",
      "process.", "security.",  "client.",   "classloader.", "parallelism.", "restart-strategy."};
  return std::any_of(std::begin(kPrefixes), std::end(kPrefixes),
                     [&](const char* prefix) { return name.starts_with(prefix); });
}

}  // namespace

OptionTable JobOptionTable() { return kTable; }

Result<JobOptions> ReadJobOptions(const std::map<std::string, std::string>& given) {
  std::vector<std::string> foreign;
  for (const auto& [name, value] : given) {
    if (IsForeign(name)) foreign.push_back(name);
  }
  Result<Options> parsed = Options::Parse(kTable, given, foreign);
  if (!parsed.ok()) return parsed.status().Within("job options");
  const Options& options = *parsed;
  JobOptions job;
  job.settings.batch_rows = static_cast<int32_t>(options.Int("millrace.batch.rows"));
  if (job.settings.batch_rows < 1 || job.settings.batch_rows > 65536) {
    return Status::User("job options: 'millrace.batch.rows' must be 1 to 65536");
  }
  const std::string zone = options.String("table.local-time-zone");
  if (zone != "default") job.settings.time_zone = zone;
  job.checkpoint_directory = options.Find("execution.checkpointing.dir").value_or("");
  if (options.Has("execution.checkpointing.interval")) {
    job.checkpoint_interval_ms = options.DurationMs("execution.checkpointing.interval");
  }
  job.checkpoint_min_pause_ms = options.DurationMs("execution.checkpointing.min-pause");
  job.checkpoint_timeout_ms = options.DurationMs("execution.checkpointing.timeout");
  job.checkpoints_retained =
      static_cast<int>(std::max<int64_t>(1, options.Int("execution.checkpointing.num-retained")));
  job.tolerable_failed_checkpoints =
      static_cast<int>(options.Int("execution.checkpointing.tolerable-failed-checkpoints"));
  if (job.checkpoint_interval_ms > 0 && job.checkpoint_directory.empty()) {
    return Status::User(
        "job options: 'execution.checkpointing.interval' is set but there is no folder to keep "
        "checkpoints in: set 'execution.checkpointing.dir'");
  }
  const std::string type = options.Find("restart-strategy.type")
                               .value_or(job.checkpoint_interval_ms > 0 ? "exponential-delay" : "none");
  if (type.starts_with("fixed")) {
    job.restart = RestartStrategy::kFixedDelay;
    job.restart_attempts = options.Int("restart-strategy.fixed-delay.attempts");
    job.restart_delay_ms = options.DurationMs("restart-strategy.fixed-delay.delay");
  } else if (type.starts_with("exponential")) {
    job.restart = RestartStrategy::kExponentialDelay;
    job.restart_attempts =
        options.Int("restart-strategy.exponential-delay.attempts-before-reset-backoff");
    job.restart_delay_ms = options.DurationMs("restart-strategy.exponential-delay.initial-backoff");
    job.restart_max_delay_ms = options.DurationMs("restart-strategy.exponential-delay.max-backoff");
    job.restart_multiplier = options.Double("restart-strategy.exponential-delay.backoff-multiplier");
    job.restart_reset_ms =
        options.DurationMs("restart-strategy.exponential-delay.reset-backoff-threshold");
  } else if (type.starts_with("failure")) {
    job.restart = RestartStrategy::kFailureRate;
    job.restart_attempts = options.Int("restart-strategy.failure-rate.max-failures-per-interval");
    job.restart_delay_ms = options.DurationMs("restart-strategy.failure-rate.delay");
    job.failure_interval_ms =
        options.DurationMs("restart-strategy.failure-rate.failure-rate-interval");
  }
  const int64_t max_parallelism = options.Int("pipeline.max-parallelism");
  if (max_parallelism != -1 && (max_parallelism < 1 || max_parallelism > 32768)) {
    return Status::User("job options: 'pipeline.max-parallelism' must be 1 to 32768, not " +
                        std::to_string(max_parallelism));
  }
  job.max_parallelism = static_cast<int>(max_parallelism);
  job.channel_bytes = options.MemoryBytes("millrace.channel.size");
  if (options.Has("taskmanager.memory.process.size")) {
    job.memory_bytes = options.MemoryBytes("taskmanager.memory.process.size");
  }
  job.managed_fraction = options.Double("taskmanager.memory.managed.fraction");
  if (!(job.managed_fraction > 0 && job.managed_fraction <= 1)) {
    return Status::User("job options: 'taskmanager.memory.managed.fraction' must be above 0 and at most 1");
  }
  for (const char* name :
       {"taskmanager.memory.managed.size", "state.backend.rocksdb.memory.fixed-per-tm"}) {
    if (options.Has(name)) job.state_memory_bytes = options.MemoryBytes(name);
  }
  return job;
}

}  // namespace millrace::runtime
