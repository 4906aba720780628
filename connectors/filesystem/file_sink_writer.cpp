#include "connectors/filesystem/file_sink_writer.h"

#include <algorithm>

#include "connectors/filesystem/file_committable.h"
#include "connectors/filesystem/file_sink.h"
#include "connectors/filesystem/partition_path.h"

namespace millrace::connectors {
namespace {

using runtime::BatchPtr;
using runtime::FileSystem;
using runtime::Progress;
using runtime::Result;
using runtime::Status;

constexpr std::string_view kCantWrite =
    "the filesystem sink can't write; the job goes on from its last checkpoint once it can";
constexpr size_t kFlushBytes = 256 * 1024;           // of one file's buffer
constexpr size_t kMostBufferedBytes = 32 << 20;      // of all buffers: then all are handed over
constexpr size_t kMostInFlightBytes = 16 << 20;      // handed over and not written: then it blocks

}  // namespace

// Touched by the lane's thread only, but for the token, which is read when the lane is idle.
struct FileSinkWriter::PartFile {
  std::string path;
  std::unique_ptr<runtime::RecoverableWriter> writer;
  std::string token;

  Status Append(FileSystem& files, std::string_view bytes) {
    if (writer == nullptr) {
      ASSIGN_OR_RETURN(writer, files.OpenRecoverable(path));
    }
    return writer->Append(bytes);
  }
  Status Close() {
    ASSIGN_OR_RETURN(token, writer->CloseForCommit());
    writer.reset();
    return Status::Ok();
  }
};

FileSinkWriter::FileSinkWriter(FileTable table, runtime::RowType row, std::string sink_uid,
                               std::unique_ptr<Encoder> encoder)
    : table_(std::move(table)),
      row_(std::move(row)),
      sink_uid_(std::move(sink_uid)),
      encoder_(std::move(encoder)) {
  for (const std::string& key : table_.partition_keys) {
    for (size_t i = 0; i < row_.size(); ++i) {
      if (row_[i].name == key) partition_columns_.push_back(static_cast<int>(i));
    }
  }
}

FileSinkWriter::~FileSinkWriter() {
  lane_.reset();  // waits for the IO thread
  if (context_ != nullptr) context_->pool().Charge(-charged_bytes_);
}

Status FileSinkWriter::Open(runtime::OperatorContext& context) {
  context_ = &context;
  ASSIGN_OR_RETURN(files_, context.file_system(table_.path));
  part_prefix_ = PartPrefixOfRun(context.run().job_id, sink_uid_, context.run().run_id) +
                 std::to_string(context.subtask()) + "-";
  lane_ = std::make_unique<IoLane>(context);
  context.SetProcessingTimer(context.now_ms() + table_.check_interval_ms);
  return files_->MakeDirectories(table_.path);
}

Status FileSinkWriter::Restore(const std::vector<std::string>& states) {
  for (const std::string& state : states) {
    ASSIGN_OR_RETURN(const PendingPartitions pending, PendingPartitions::Decode(state));
    for (const auto& [folder, created_ms] : pending.partitions) {
      auto [at, is_new] = pending_partitions_.emplace(folder, created_ms);
      if (!is_new) at->second = std::min(at->second, created_ms);
    }
  }
  return Status::Ok();
}

FileSinkWriter::Bucket& FileSinkWriter::BucketOf(const runtime::Batch& batch,
                                                 int32_t physical_row) {
  partition_.clear();
  for (size_t i = 0; i < partition_columns_.size(); ++i) {
    const auto column = static_cast<size_t>(partition_columns_[i]);
    value_.clear();
    AppendPartitionValue(row_[column].type, batch.column(partition_columns_[i]), physical_row,
                         &value_);
    if (i > 0) partition_.push_back('/');
    AppendEscapedPathName(table_.partition_keys[i], &partition_);
    partition_.push_back('=');
    AppendEscapedPathName(value_.empty() ? table_.default_partition : value_, &partition_);
  }
  if (last_bucket_ != nullptr && partition_ == last_partition_) return *last_bucket_;
  Bucket& bucket = buckets_[partition_];
  if (bucket.folder.empty()) {
    bucket.folder = partition_.empty() ? table_.path : table_.path + "/" + partition_;
  }
  last_partition_ = partition_;
  last_bucket_ = &bucket;  // nodes of the map stay where they are
  return bucket;
}

Result<Progress> FileSinkWriter::Write(const BatchPtr& batch) {
  RETURN_IF_ERROR(lane_->status());
  if (in_flight_bytes_->load() > kMostInFlightBytes) return Progress::kBlocked;
  if (batch->row_kinds() != nullptr) {
    for (int32_t row = 0; row < batch->num_rows(); ++row) {
      if (batch->KindAt(batch->PhysicalRow(row)) == runtime::RowKind::kInsert) continue;
      return Status::User(
          "the filesystem connector doesn't support consuming update and delete changes");
    }
  }
  records_.clear();
  ends_.clear();
  RETURN_IF_ERROR(encoder_->Encode(*batch, 0, batch->num_rows(), &records_, &ends_));
  const std::string_view separator = encoder_->record_separator();
  const int64_t now_ms = context_->now_ms();
  uint32_t begin = 0;
  for (int32_t row = 0; row < batch->num_rows(); ++row) {
    const uint32_t end = ends_[static_cast<size_t>(row)];
    Bucket& bucket = BucketOf(*batch, batch->PhysicalRow(row));
    if (bucket.file == nullptr) {
      bucket.file = std::make_shared<PartFile>();
      bucket.file->path = bucket.folder + "/" + part_prefix_ + std::to_string(next_part_++);
      bucket.file_bytes = 0;
      bucket.opened_ms = now_ms;
      if (table_.success_file && !partition_columns_.empty()) {
        pending_partitions_.emplace(bucket.folder, now_ms);
      }
    }
    bucket.buffer.append(records_, begin, end - begin);
    bucket.buffer.append(separator);
    bucket.written_ms = now_ms;
    const size_t bytes = end - begin + separator.size();
    bucket.file_bytes += bytes;
    buffered_bytes_ += bytes;
    begin = end;
    if (bucket.file_bytes >= table_.rolling_bytes) {
      Close(bucket);
    } else if (bucket.buffer.size() >= kFlushBytes) {
      Flush(bucket);
    }
  }
  if (buffered_bytes_ > kMostBufferedBytes) {
    for (auto& [partition, bucket] : buckets_) Flush(bucket);
  }
  ChargePool();
  return Progress::kNeedInput;
}

void FileSinkWriter::Flush(Bucket& bucket) {
  if (bucket.buffer.empty()) return;
  buffered_bytes_ -= bucket.buffer.size();
  in_flight_bytes_->fetch_add(bucket.buffer.size());
  lane_->Submit([files = files_, file = bucket.file, in_flight = in_flight_bytes_,
                 bytes = std::move(bucket.buffer)] {
    const Status status = file->Append(*files, bytes);
    in_flight->fetch_sub(bytes.size());
    return status.Within(kCantWrite);
  });
  bucket.buffer = std::string();
}

void FileSinkWriter::Close(Bucket& bucket) {
  if (bucket.file == nullptr) return;
  Flush(bucket);
  lane_->Submit([file = bucket.file] { return file->Close().Within(kCantWrite); });
  closed_.push_back(std::move(bucket.file));
  bucket.file = nullptr;
}

void FileSinkWriter::ChargePool() {
  const auto bytes = static_cast<int64_t>(buffered_bytes_ + in_flight_bytes_->load());
  if (bytes == charged_bytes_) return;
  context_->pool().Charge(bytes - charged_bytes_);
  charged_bytes_ = bytes;
}

Result<Progress> FileSinkWriter::Prepare(int64_t checkpoint_id, bool end_of_input,
                                         std::vector<std::string>* committables) {
  if (preparing_ != checkpoint_id) {
    preparing_ = checkpoint_id;
    for (auto& [partition, bucket] : buckets_) Close(bucket);
    buckets_.clear();
    last_bucket_ = nullptr;
  }
  RETURN_IF_ERROR(lane_->status());
  if (!lane_->idle()) return Progress::kBlocked;
  RETURN_IF_ERROR(lane_->status());  // it may have failed between the two
  preparing_ = -1;
  ChargePool();
  FileCommittable committable;
  for (const std::shared_ptr<PartFile>& file : closed_) {
    committable.files.push_back(std::move(file->token));
  }
  closed_.clear();
  const int64_t due_ms = context_->now_ms() - table_.partition_commit_delay_ms;
  for (auto at = pending_partitions_.begin(); at != pending_partitions_.end();) {
    if (end_of_input || at->second <= due_ms) {
      committable.finished_partitions.push_back(at->first);
      at = pending_partitions_.erase(at);
    } else {
      ++at;
    }
  }
  if (!committable.files.empty() || !committable.finished_partitions.empty()) {
    committables->push_back(committable.Encode());
  }
  return Progress::kNeedInput;
}

Result<std::vector<std::string>> FileSinkWriter::Snapshot() {
  std::vector<std::string> states;
  if (pending_partitions_.empty()) return states;
  PendingPartitions pending;
  pending.partitions.assign(pending_partitions_.begin(), pending_partitions_.end());
  states.push_back(pending.Encode());
  return states;
}

Status FileSinkWriter::OnTimer(int64_t now_ms) {
  RETURN_IF_ERROR(lane_->status());
  for (auto& [partition, bucket] : buckets_) {
    if (bucket.file == nullptr) continue;
    if (now_ms - bucket.opened_ms >= table_.rollover_interval_ms ||
        now_ms - bucket.written_ms >= table_.inactivity_interval_ms) {
      Close(bucket);
    }
  }
  context_->SetProcessingTimer(now_ms + table_.check_interval_ms);
  return Status::Ok();
}

}  // namespace millrace::connectors
