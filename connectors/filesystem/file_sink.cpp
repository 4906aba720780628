#include "connectors/filesystem/file_sink.h"

#include "connectors/filesystem/file_committer.h"
#include "connectors/filesystem/file_sink_writer.h"
#include "connectors/filesystem/partition_path.h"

namespace millrace::connectors {
namespace {

using runtime::Result;
using runtime::Status;

// FNV-1a (64 bits): names must stay the same over versions and machines.
uint64_t Fingerprint(std::string_view text, uint64_t hash = 0xcbf29ce484222325) {
  for (const char c : text) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  }
  return hash;
}

std::string Hex(uint64_t value) {
  constexpr char kHex[] = "0123456789abcdef";
  std::string text;
  for (int shift = 60; shift >= 0; shift -= 4) text += kHex[value >> shift & 15];
  return text;
}

class FileSink final : public runtime::Sink {
 public:
  FileSink(FileTable table, runtime::RowType row, EncoderSpec encoder, std::string uid,
           FileSystemLookup file_systems)
      : table_(std::move(table)),
        row_(std::move(row)),
        encoder_(std::move(encoder)),
        uid_(std::move(uid)),
        file_systems_(std::move(file_systems)) {}

  Result<std::unique_ptr<runtime::SinkWriter>> MakeWriter() override {
    ASSIGN_OR_RETURN(std::unique_ptr<Encoder> encoder, MakeEncoder(encoder_));
    return std::unique_ptr<runtime::SinkWriter>(
        std::make_unique<FileSinkWriter>(table_, row_, uid_, std::move(encoder)));
  }
  Result<std::unique_ptr<runtime::SinkCommitter>> MakeCommitter() override {
    return std::unique_ptr<runtime::SinkCommitter>(
        std::make_unique<FileCommitter>(table_, uid_, file_systems_));
  }

 private:
  const FileTable table_;
  const runtime::RowType row_;
  const EncoderSpec encoder_;
  const std::string uid_;
  const FileSystemLookup file_systems_;
};

}  // namespace

std::string PartPrefixOfSink(const std::string& job_id, const std::string& sink_uid) {
  const std::string hex = Hex(Fingerprint(sink_uid, Fingerprint(job_id + "/")));
  return "part-" + hex.substr(0, 8) + "-" + hex.substr(8, 4) + "-" + hex.substr(12, 4) + "-";
}

std::string PartPrefixOfRun(const std::string& job_id, const std::string& sink_uid,
                            const std::string& run_id) {
  const std::string hex = Hex(Fingerprint(run_id));
  return PartPrefixOfSink(job_id, sink_uid) + hex.substr(0, 4) + "-" + hex.substr(4, 12) + "-";
}

Result<std::unique_ptr<runtime::Sink>> MakeFileSink(const runtime::TableSpec& table,
                                                    FileSystemLookup file_systems) {
  ASSIGN_OR_RETURN(FileTable options, FileTable::From(table));
  const runtime::RowType& row = table.produced.empty() ? table.physical : table.produced;
  EncoderSpec encoder;
  encoder.format = options.format;
  encoder.options = table.options;
  encoder.time_zone = table.time_zone;
  for (size_t i = 0; i < row.size(); ++i) {
    if (options.IsPartitionKey(row[i].name)) {
      RETURN_IF_ERROR(CheckPartitionType(row[i].name, row[i].type));
      continue;
    }
    encoder.record.push_back(row[i]);
    encoder.columns.push_back(static_cast<int>(i));
  }
  if (encoder.record.empty()) {
    return Status::User("a table needs a column that is no partition key");
  }
  RETURN_IF_ERROR(MakeEncoder(encoder).status());  // what is wrong with it, before the job starts
  return std::unique_ptr<runtime::Sink>(std::make_unique<FileSink>(
      std::move(options), row, std::move(encoder), table.uid, std::move(file_systems)));
}

}  // namespace millrace::connectors
