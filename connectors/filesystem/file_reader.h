#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "connectors/filesystem/file_split.h"
#include "connectors/filesystem/file_system_options.h"
#include "connectors/filesystem/io_lane.h"
#include "connectors/formats/format.h"
#include "runtime/api/source.h"

namespace millrace::connectors {

// What a column of a file's rows that is not in its records holds: the same value for all of them.
struct FileColumn {
  enum class Kind : uint8_t { kPartition, kPath, kName, kSize, kModified };
  int column = 0;    // of the rows
  Kind kind = Kind::kPath;
  std::string name;  // of the partition key
};

// Reads files one after the other: an IO thread reads blocks ahead, the executor decodes them.
class FileReader final : public runtime::SourceReader {
 public:
  // `row`: all columns that it gives; `file_columns`: those that the decoder doesn't.
  FileReader(FileTable table, runtime::RowType row, std::vector<FileColumn> file_columns,
             std::unique_ptr<Decoder> decoder);
  ~FileReader() override;

  runtime::Status Open(runtime::OperatorContext& context) override;
  runtime::Status AddSplits(const std::vector<runtime::Split>& splits) override;
  void NoMoreSplits() override { no_more_splits_ = true; }
  runtime::Result<runtime::Progress> Poll(runtime::ReadOutput* out) override;
  void SetPaused(int32_t split, bool paused) override;
  runtime::Result<std::vector<runtime::Split>> Snapshot() override;

 private:
  struct Block;
  struct OpenFile;

  OpenFile* NextFile();
  // Moves a block that has come into the buffer and asks for the one behind it.
  void Refill(OpenFile& file);
  runtime::Status Decode(OpenFile& file, runtime::ReadOutput* out);
  // Makes one row of the values of file_columns_.
  runtime::Status MakeConstants(OpenFile& file);

  const FileTable table_;
  const runtime::RowType row_;
  const std::vector<FileColumn> file_columns_;
  const std::unique_ptr<Decoder> decoder_;

  runtime::OperatorContext* context_ = nullptr;
  runtime::FileSystem* files_ = nullptr;
  std::unique_ptr<IoLane> lane_;
  std::unique_ptr<runtime::BatchBuilder> rows_;
  std::vector<OpenFile> open_files_;  // by split number
  size_t first_unfinished_ = 0;
  bool no_more_splits_ = false;
  std::vector<std::string_view> records_;
  std::vector<int32_t> zeros_;
};

}  // namespace millrace::connectors
