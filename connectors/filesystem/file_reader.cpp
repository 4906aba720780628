#include "connectors/filesystem/file_reader.h"

#include <algorithm>

#include "connectors/filesystem/partition_path.h"

namespace millrace::connectors {
namespace {

using runtime::Progress;
using runtime::Result;
using runtime::Split;
using runtime::Status;
using runtime::VectorBuilder;

constexpr size_t kBlockBytes = 1 << 20;
constexpr size_t kLowBytes = kBlockBytes / 4;  // left in the buffer when the next block is put there

}  // namespace

// Filled by the lane's thread, then taken by the executor once `ready`.
struct FileReader::Block {
  std::string bytes;
  std::atomic<bool> ready{false};
};

struct FileReader::OpenFile {
  FileSplit split;
  bool paused = false;
  bool finished = false;
  // Made by the lane's thread with the first block; only it touches the file.
  std::shared_ptr<std::unique_ptr<runtime::RandomAccessFile>> file =
      std::make_shared<std::unique_ptr<runtime::RandomAccessFile>>();
  std::string buffer;            // bytes of the file at split.offset - at ..
  size_t at = 0;                 // of the buffer that is given away
  uint64_t next_read = 0;        // offset of the block to read next
  std::shared_ptr<Block> block;  // asked for; null: none
  bool starved = false;          // the buffer has no whole record
  std::vector<runtime::VectorPtr> constants;  // by file column; one row

  bool at_end() const { return next_read >= split.length && block == nullptr; }
  std::string_view left() const { return std::string_view(buffer).substr(at); }
};

FileReader::FileReader(FileTable table, runtime::RowType row, std::vector<FileColumn> file_columns,
                       std::unique_ptr<Decoder> decoder)
    : table_(std::move(table)),
      row_(std::move(row)),
      file_columns_(std::move(file_columns)),
      decoder_(std::move(decoder)) {}

FileReader::~FileReader() = default;

Status FileReader::Open(runtime::OperatorContext& context) {
  context_ = &context;
  ASSIGN_OR_RETURN(files_, context.file_system(table_.path));
  lane_ = std::make_unique<IoLane>(context);
  rows_ = std::make_unique<runtime::BatchBuilder>(context.pool(), row_,
                                                  context.settings().batch_rows);
  return Status::Ok();
}

Status FileReader::AddSplits(const std::vector<Split>& splits) {
  for (const Split& split : splits) {
    OpenFile file;
    ASSIGN_OR_RETURN(file.split, FileSplit::Decode(split));
    file.next_read = file.split.offset;
    RETURN_IF_ERROR(MakeConstants(file));
    open_files_.push_back(std::move(file));
  }
  return Status::Ok();
}

Status FileReader::MakeConstants(OpenFile& file) {
  const std::string& path = file.split.path;
  const std::map<std::string, std::string> partition =
      path.size() > table_.path.size() ? PartitionOf(std::string_view(path).substr(table_.path.size()))
                                       : std::map<std::string, std::string>();
  for (const FileColumn& column : file_columns_) {
    VectorBuilder value(context_->pool(), row_[static_cast<size_t>(column.column)].type, 1);
    switch (column.kind) {
      case FileColumn::Kind::kPath: value.AppendString(path); break;
      case FileColumn::Kind::kName: value.AppendString(path.substr(path.rfind('/') + 1)); break;
      case FileColumn::Kind::kSize: value.Append(static_cast<int64_t>(file.split.length)); break;
      case FileColumn::Kind::kModified: value.Append(file.split.modified_ms); break;
      case FileColumn::Kind::kPartition: {
        const auto found = partition.find(column.name);
        if (found == partition.end() || found->second == table_.default_partition) {
          value.AppendNull();
        } else if (const char* wrong = ReadPartitionValue(found->second, &value)) {
          return Status::User("the partition column '" + column.name + "' of file " + path + ": '" +
                              found->second + "' " + wrong);
        }
      }
    }
    file.constants.push_back(value.Finish());
  }
  return Status::Ok();
}

FileReader::OpenFile* FileReader::NextFile() {
  while (first_unfinished_ < open_files_.size() && open_files_[first_unfinished_].finished) {
    ++first_unfinished_;
  }
  for (size_t i = first_unfinished_; i < open_files_.size(); ++i) {
    OpenFile& file = open_files_[i];
    if (!file.finished && !file.paused) return &file;
  }
  return nullptr;
}

Result<Progress> FileReader::Poll(runtime::ReadOutput* out) {
  RETURN_IF_ERROR(lane_->status());
  OpenFile* file = NextFile();
  if (file == nullptr) {
    const bool all_read = first_unfinished_ == open_files_.size();
    return all_read && no_more_splits_ ? Progress::kFinished : Progress::kBlocked;
  }
  Refill(*file);
  records_.clear();
  size_t taken = decoder_->Cut(file->left(), file->at_end(),
                               static_cast<size_t>(context_->settings().batch_rows), &records_);
  file->starved = taken == 0 && !file->at_end();
  if (file->starved) {
    const bool has_come = file->block->ready.load(std::memory_order_acquire);
    return has_come ? Progress::kMore : Progress::kBlocked;
  }
  // What goes beyond the bytes of a batch is left for the next one.
  size_t bytes = 0;
  for (size_t i = 0; i < records_.size(); ++i) {
    bytes += records_[i].size();
    if (bytes < context_->settings().batch_bytes || i + 1 == records_.size()) continue;
    taken = static_cast<size_t>(records_[i + 1].data() - file->left().data());
    records_.resize(i + 1);
  }
  RETURN_IF_ERROR(Decode(*file, out));
  file->at += taken;
  file->split.offset += taken;
  out->split = static_cast<int32_t>(file - open_files_.data());
  if (file->at_end() && file->left().empty()) {
    file->finished = true;
    file->file.reset();
    file->buffer = std::string();
    out->split_finished = true;
  }
  return Progress::kMore;
}

void FileReader::Refill(OpenFile& file) {
  if (file.block != nullptr && (file.starved || file.left().size() < kLowBytes) &&
      file.block->ready.load(std::memory_order_acquire)) {
    std::string& bytes = file.block->bytes;
    file.next_read += bytes.size();
    // Shorter than when it was found: what is there is all.
    if (bytes.size() < kBlockBytes) file.split.length = std::min(file.split.length, file.next_read);
    if (file.left().empty()) {
      file.buffer = std::move(bytes);
    } else {
      file.buffer.erase(0, file.at);
      file.buffer += bytes;
    }
    file.at = 0;
    file.block.reset();
  }
  if (file.block != nullptr || file.next_read >= file.split.length) return;
  file.block = std::make_shared<Block>();
  const size_t wanted = std::min<uint64_t>(kBlockBytes, file.split.length - file.next_read);
  lane_->Submit([files = files_, handle = file.file, block = file.block, path = file.split.path,
                 offset = file.next_read, wanted] {
    if (*handle == nullptr) {
      ASSIGN_OR_RETURN(*handle, files->OpenForRead(path));
    }
    block->bytes.resize(wanted);
    ASSIGN_OR_RETURN(const size_t got, (*handle)->ReadAt(offset, wanted, block->bytes.data()));
    block->bytes.resize(got);
    block->ready.store(true, std::memory_order_release);
    return Status::Ok();
  });
}

Status FileReader::Decode(OpenFile& file, runtime::ReadOutput* out) {
  const Status status = decoder_->Decode(records_, *rows_, nullptr);
  if (!status.ok()) {
    const std::string_view record = records_[decoder_->failed_record()];
    const uint64_t offset =
        file.split.offset + static_cast<uint64_t>(record.data() - file.left().data());
    return status.Within("file " + file.split.path + ", from byte " + std::to_string(offset));
  }
  const int32_t count = rows_->num_rows();
  if (count == 0) return Status::Ok();
  zeros_.resize(std::max(zeros_.size(), static_cast<size_t>(count)), 0);
  for (size_t i = 0; i < file_columns_.size(); ++i) {
    rows_->column(file_columns_[i].column)
        .AppendRows(*file.constants[i], zeros_.data(), count, VectorBuilder::Strings::kKeep);
  }
  out->batch = rows_->Finish();
  return Status::Ok();
}

void FileReader::SetPaused(int32_t split, bool paused) {
  open_files_[static_cast<size_t>(split)].paused = paused;
  if (!paused) context_->waker()();
}

Result<std::vector<Split>> FileReader::Snapshot() {
  std::vector<Split> splits;
  for (size_t i = first_unfinished_; i < open_files_.size(); ++i) {
    if (!open_files_[i].finished) splits.push_back(open_files_[i].split.Encode());
  }
  return splits;
}

}  // namespace millrace::connectors
