#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "connectors/filesystem/file_system_options.h"
#include "connectors/filesystem/io_lane.h"
#include "connectors/formats/format.h"
#include "runtime/api/sink.h"

namespace millrace::connectors {

// Writes rows as records to hidden files, one open file a partition. Rows are encoded into buffers by
// the executor thread; whole buffers are written by an IO thread. Every checkpoint closes all files.
class FileSinkWriter final : public runtime::SinkWriter {
 public:
  FileSinkWriter(FileTable table, runtime::RowType row, std::string sink_uid,
                 std::unique_ptr<Encoder> encoder);
  ~FileSinkWriter() override;

  runtime::Status Open(runtime::OperatorContext& context) override;
  runtime::Status Restore(const std::vector<std::string>& states) override;
  runtime::Result<runtime::Progress> Write(const runtime::BatchPtr& batch) override;
  runtime::Result<runtime::Progress> Prepare(int64_t checkpoint_id, bool end_of_input,
                                             std::vector<std::string>* committables) override;
  runtime::Result<std::vector<std::string>> Snapshot() override;
  runtime::Status OnTimer(int64_t now_ms) override;

 private:
  struct PartFile;
  // The rows of one partition since the last checkpoint.
  struct Bucket {
    std::string folder;               // whole path
    std::string buffer;               // records not handed to the IO thread
    std::shared_ptr<PartFile> file;   // null: none open
    uint64_t file_bytes = 0;          // of the open file, with the buffer
    int64_t opened_ms = 0;
    int64_t written_ms = 0;
  };

  Bucket& BucketOf(const runtime::Batch& batch, int32_t physical_row);
  void Flush(Bucket& bucket);
  void Close(Bucket& bucket);
  void ChargePool();

  const FileTable table_;
  const runtime::RowType row_;
  const std::string sink_uid_;
  const std::unique_ptr<Encoder> encoder_;
  std::vector<int> partition_columns_;

  runtime::OperatorContext* context_ = nullptr;
  runtime::FileSystem* files_ = nullptr;
  std::string part_prefix_;  // of this run, with the subtask
  int64_t next_part_ = 0;
  std::unique_ptr<IoLane> lane_;

  // By the folder below the table's.
  std::unordered_map<std::string, Bucket> buckets_;
  Bucket* last_bucket_ = nullptr;
  std::string last_partition_;
  std::string partition_;  // scratch
  std::string value_;      // scratch
  std::string records_;    // scratch
  std::vector<uint32_t> ends_;
  size_t buffered_bytes_ = 0;
  int64_t charged_bytes_ = 0;
  std::shared_ptr<std::atomic<size_t>> in_flight_bytes_ =
      std::make_shared<std::atomic<size_t>>(0);

  std::vector<std::shared_ptr<PartFile>> closed_;  // since the last checkpoint, perhaps still closing
  int64_t preparing_ = -1;                         // checkpoint whose files are being closed
  std::map<std::string, int64_t> pending_partitions_;  // folder -> when first written to
};

}  // namespace millrace::connectors
