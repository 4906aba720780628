#include "connectors/filesystem/file_system_options.h"

#include <algorithm>
#include <filesystem>

#include "connectors/formats/format.h"
#include "runtime/api/warning.h"

namespace millrace::connectors {
namespace {

using runtime::Options;
using runtime::OptionSpec;
using runtime::OptionType;
using runtime::Result;
using runtime::Status;

constexpr OptionSpec kOptions[] = {
    {"path", OptionType::kString, nullptr, "The folder of the table, or one file to read.", "", true},
    {"format", OptionType::kString, nullptr, "The format of the files: json, csv or raw.", "", true},
    {"partition.default-name", OptionType::kString, "__DEFAULT_PARTITION__",
     "The name of the partition whose column is NULL or an empty text."},
    {"source.monitor-interval", OptionType::kDuration, nullptr,
     "How often the source looks for new files. Unset: it reads the files that are there and ends."},
    {"source.path.regex-pattern", OptionType::kString, nullptr,
     "A regular expression that the whole path of a file must match to be read."},
    {"source.report-statistics", OptionType::kEnum, "NONE",
     "Whether the planner gets statistics of the files; has no effect here.", "NONE,ALL", false,
     false, true},
    {"sink.rolling-policy.file-size", OptionType::kMemorySize, "128 mb",
     "The size at which a file is closed and another begun. Every checkpoint closes files too."},
    {"sink.rolling-policy.rollover-interval", OptionType::kDuration, "30 min",
     "How long a file stays open at most."},
    {"sink.rolling-policy.inactivity-interval", OptionType::kDuration, "30 min",
     "How long a file stays open to which nothing is written."},
    {"sink.rolling-policy.check-interval", OptionType::kDuration, "1 min",
     "How often the two intervals are checked."},
    {"sink.shuffle-by-partition.enable", OptionType::kBool, "false",
     "Whether the planner sends all rows of a partition to one subtask.", "", false, false, true},
    {"sink.partition-commit.trigger", OptionType::kEnum, "process-time",
     "When a partition is finished: process-time is its creation plus the delay.",
     "process-time,partition-time"},
    {"sink.partition-commit.delay", OptionType::kDuration, "0 s",
     "How long after its creation a partition is finished."},
    {"sink.partition-commit.policy.kind", OptionType::kString, nullptr,
     "What marks a finished partition: success-file."},
    {"sink.partition-commit.success-file.name", OptionType::kString, "_SUCCESS",
     "The name of the empty file that marks a finished partition."},
    {"sink.partition-commit.watermark-time-zone", OptionType::kString, "UTC",
     "Time zone of the watermark for the partition-time trigger."},
    {"sink.partition-commit.policy.class", OptionType::kString, nullptr,
     "A class of a commit policy in Java: refused."},
    {"sink.partition-commit.policy.class.parameters", OptionType::kString, nullptr,
     "Parameters of a commit policy in Java: refused."},
    {"partition.time-extractor.kind", OptionType::kString, "default",
     "How the partition-time trigger reads the time of a partition."},
    {"partition.time-extractor.class", OptionType::kString, nullptr,
     "A class in Java that reads the time of a partition."},
    {"partition.time-extractor.timestamp-formatter", OptionType::kString, nullptr,
     "Form of the time of a partition."},
    {"partition.time-extractor.timestamp-pattern", OptionType::kString, nullptr,
     "How the time of a partition is put together of its columns."},
    {"auto-compaction", OptionType::kBool, "false",
     "Whether small files are put together after a checkpoint: refused."},
    {"compaction.file-size", OptionType::kMemorySize, nullptr, "Size of compacted files."},
    {"compaction.parallelism", OptionType::kInt, nullptr, "Parallelism of the compaction."},
    {"sink.parallelism", OptionType::kInt, nullptr,
     "Parallelism of the sink alone; not supported, the job's counts."},
};

// Known options that change nothing here, though they do in Flink.
constexpr const char* kNotHonoured[] = {"sink.parallelism",
                                        "sink.partition-commit.watermark-time-zone",
                                        "partition.time-extractor.kind",
                                        "partition.time-extractor.class",
                                        "partition.time-extractor.timestamp-formatter",
                                        "partition.time-extractor.timestamp-pattern",
                                        "compaction.file-size",
                                        "compaction.parallelism"};

Result<std::string> NormalPath(const std::string& uri) {
  std::string path(runtime::PathOf(uri));
  const size_t colon = path.find(':');
  const bool has_scheme = colon != std::string::npos && path.find('/') == colon + 1 &&
                          path.substr(colon, 3) == "://";
  if (!has_scheme) {
    std::error_code error;
    const std::filesystem::path absolute = std::filesystem::absolute(path, error);
    if (error) return Status::FromErrno("path", path, error.value());
    path = absolute.lexically_normal().string();
  }
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  return path;
}

Status CheckCommitPolicy(const std::string& kinds, bool* success_file) {
  size_t at = 0;
  while (at <= kinds.size()) {
    const size_t comma = std::min(kinds.find(',', at), kinds.size());
    const std::string kind = kinds.substr(at, comma - at);
    at = comma + 1;
    if (kind == "success-file") {
      *success_file = true;
    } else if (!kind.empty()) {
      return Status::User("'sink.partition-commit.policy.kind' = '" + kind +
                          "' is not supported; supported is: success-file");
    }
  }
  return Status::Ok();
}

}  // namespace

runtime::OptionTable FileTable::Options() { return kOptions; }

Result<FileTable> FileTable::From(const runtime::TableSpec& table) {
  ASSIGN_OR_RETURN(const runtime::Options options,
                   runtime::Options::Parse(kOptions, ConnectorOptions(table.options)));
  FileTable read;
  ASSIGN_OR_RETURN(read.path, NormalPath(options.String("path")));
  read.format = options.String("format");
  read.default_partition = options.String("partition.default-name");
  read.partition_keys = table.partition_keys;
  for (const std::string& key : read.partition_keys) {
    const bool known = std::any_of(table.physical.begin(), table.physical.end(),
                                   [&](const runtime::Field& field) { return field.name == key; });
    if (!known) return Status::User("the partition key '" + key + "' is no column of the table");
  }
  if (options.Has("source.monitor-interval")) {
    read.monitor_interval_ms = options.DurationMs("source.monitor-interval");
    if (read.monitor_interval_ms <= 0) {
      return Status::User("'source.monitor-interval' must be longer than 0");
    }
  }
  read.path_pattern = options.Find("source.path.regex-pattern").value_or("");
  read.rolling_bytes = options.MemoryBytes("sink.rolling-policy.file-size");
  read.rollover_interval_ms = options.DurationMs("sink.rolling-policy.rollover-interval");
  read.inactivity_interval_ms = options.DurationMs("sink.rolling-policy.inactivity-interval");
  read.check_interval_ms = std::max<int64_t>(1, options.DurationMs("sink.rolling-policy.check-interval"));
  read.success_file_name = options.String("sink.partition-commit.success-file.name");
  read.partition_commit_delay_ms = options.DurationMs("sink.partition-commit.delay");
  RETURN_IF_ERROR(CheckCommitPolicy(options.Find("sink.partition-commit.policy.kind").value_or(""),
                                    &read.success_file));
  if (read.success_file && options.String("sink.partition-commit.trigger") != "process-time") {
    return Status::User(
        "'sink.partition-commit.trigger' = 'partition-time' is not supported yet; supported is: "
        "process-time");
  }
  for (const char* refused : {"sink.partition-commit.policy.class",
                              "sink.partition-commit.policy.class.parameters"}) {
    if (options.Has(refused)) {
      return Status::User("'" + std::string(refused) + "' names a class in Java, which can't run here");
    }
  }
  if (options.Bool("auto-compaction")) {
    return Status::User(
        "'auto-compaction' is not supported: set a longer checkpoint interval for larger files");
  }
  for (const char* name : kNotHonoured) {
    if (!options.Has(name)) continue;
    runtime::Warn("table " + table.identifier + ": option '" + name + "' has no effect");
  }
  return read;
}

bool FileTable::IsPartitionKey(const std::string& column) const {
  return std::find(partition_keys.begin(), partition_keys.end(), column) != partition_keys.end();
}

}  // namespace millrace::connectors
