#include "connectors/filesystem/file_source.h"

#include "connectors/filesystem/file_enumerator.h"
#include "connectors/filesystem/file_reader.h"
#include "connectors/filesystem/partition_path.h"
#include "connectors/formats/format.h"

namespace millrace::connectors {
namespace {

using runtime::Field;
using runtime::LogicalType;
using runtime::Result;
using runtime::Status;
using runtime::TypeKind;

class FileSource final : public runtime::Source {
 public:
  FileSource(FileTable table, runtime::RowType row, std::vector<FileColumn> file_columns,
             DecoderSpec decoder, FileSystemLookup file_systems)
      : table_(std::move(table)),
        row_(std::move(row)),
        file_columns_(std::move(file_columns)),
        decoder_(std::move(decoder)),
        file_systems_(std::move(file_systems)) {}

  Result<std::unique_ptr<runtime::SplitEnumerator>> MakeEnumerator() override {
    ASSIGN_OR_RETURN(std::unique_ptr<FileEnumerator> made,
                     FileEnumerator::Make(table_, file_systems_));
    return std::unique_ptr<runtime::SplitEnumerator>(std::move(made));
  }
  Result<std::unique_ptr<runtime::SourceReader>> MakeReader() override {
    ASSIGN_OR_RETURN(std::unique_ptr<Decoder> decoder, MakeDecoder(decoder_));
    return std::unique_ptr<runtime::SourceReader>(
        std::make_unique<FileReader>(table_, row_, file_columns_, std::move(decoder)));
  }
  bool bounded() const override { return table_.monitor_interval_ms == 0; }

 private:
  const FileTable table_;
  const runtime::RowType row_;
  const std::vector<FileColumn> file_columns_;
  const DecoderSpec decoder_;
  const FileSystemLookup file_systems_;
};

Result<FileColumn::Kind> MetadataKind(const std::string& key) {
  if (key == "file.path") return FileColumn::Kind::kPath;
  if (key == "file.name") return FileColumn::Kind::kName;
  if (key == "file.size") return FileColumn::Kind::kSize;
  if (key == "file.modification-time") return FileColumn::Kind::kModified;
  return Status::User("the filesystem connector has no metadata '" + key +
                      "'; it has file.path, file.name, file.size, file.modification-time");
}

}  // namespace

std::vector<Field> FileMetadata() {
  return {{"file.path", LogicalType::VarChar().AsNullable(false)},
          {"file.name", LogicalType::VarChar().AsNullable(false)},
          {"file.size", LogicalType(TypeKind::kBigInt, false)},
          {"file.modification-time", LogicalType::TimestampLtz(3).AsNullable(false)}};
}

Result<std::unique_ptr<runtime::Source>> MakeFileSource(const runtime::TableSpec& table,
                                                        FileSystemLookup file_systems) {
  ASSIGN_OR_RETURN(FileTable options, FileTable::From(table));
  DecoderSpec decoder;
  decoder.format = options.format;
  decoder.options = table.options;
  decoder.time_zone = table.time_zone;
  // Where each physical column is in a record; -1: it is in the path.
  std::vector<int> in_record;
  for (const Field& field : table.physical) {
    if (options.IsPartitionKey(field.name)) {
      RETURN_IF_ERROR(CheckPartitionType(field.name, field.type));
      in_record.push_back(-1);
    } else {
      in_record.push_back(static_cast<int>(decoder.record.size()));
      decoder.record.push_back(field);
    }
  }
  const size_t metadata = table.metadata.size();
  CHECK_THAT_HOLDS(metadata <= table.produced.size());
  const size_t columns = table.produced.size() - metadata;
  std::vector<FileColumn> file_columns;
  for (size_t i = 0; i < columns; ++i) {
    std::vector<int> path = table.projection.empty() ? std::vector<int>{static_cast<int>(i)}
                                                     : table.projection.at(i);
    const Field& field = table.physical.at(static_cast<size_t>(path[0]));
    const int at = in_record[static_cast<size_t>(path[0])];
    if (at < 0) {
      file_columns.push_back({static_cast<int>(i), FileColumn::Kind::kPartition, field.name});
      continue;
    }
    path[0] = at;
    decoder.projection.push_back(std::move(path));
    decoder.columns.push_back(static_cast<int>(i));
  }
  for (size_t i = 0; i < metadata; ++i) {
    ASSIGN_OR_RETURN(const FileColumn::Kind kind, MetadataKind(table.metadata[i]));
    file_columns.push_back({static_cast<int>(columns + i), kind, {}});
  }
  decoder.no_columns = decoder.columns.empty();
  RETURN_IF_ERROR(MakeDecoder(decoder).status());
  RETURN_IF_ERROR(FileEnumerator::Make(options, file_systems).status());
  return std::unique_ptr<runtime::Source>(
      std::make_unique<FileSource>(std::move(options), table.produced, std::move(file_columns),
                                   std::move(decoder), std::move(file_systems)));
}

}  // namespace millrace::connectors
