#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/api/registry.h"
#include "runtime/types/batch.h"

namespace millrace::connectors {

// Turns records (the value of a Kafka or Kinesis record, a line of a file) into rows, many a call.
// Not thread-safe: one for each thread. Never keeps references to the records' bytes.
class Decoder {
 public:
  virtual ~Decoder() = default;

  // Appends the rows of `records` in order to `rows`: to the columns that its spec named, each row
  // closed by EndRow. The caller fills the other columns of `rows` (metadata, partitions), for each
  // row that came. A record gives one row, none (empty, or unreadable under
  // 'ignore-parse-errors'), or several (a JSON array). `record_of_row`, if not null, gets the index
  // in `records` of each row appended, at its end.
  //
  // kUser if a record can't be read: the message begins as Flink's ("Failed to deserialize JSON
  // '...'.") and names the record's index, the field and the reason. Rows of the records before it are
  // then in `rows`, complete; of it and those behind it nothing is, and failed_record() is its index.
  virtual runtime::Status Decode(std::span<const std::string_view> records,
                                 runtime::BatchBuilder& rows,
                                 std::vector<int32_t>* record_of_row) = 0;
  // Index of the record that made the last Decode fail, for connectors that know its offset.
  virtual size_t failed_record() const = 0;

  // Cuts the bytes of a file into records, at most `max_records`, and returns how many bytes they and
  // their separators take; a record whose end isn't in `bytes` is left unless `at_end` (of the
  // file). Here: lines, without "\n" or "\r\n". The views refer to `bytes`.
  virtual size_t Cut(std::string_view bytes, bool at_end, size_t max_records,
                     std::vector<std::string_view>* records) const;
};

// Turns rows into records, many a call. Not thread-safe: one for each thread.
class Encoder {
 public:
  virtual ~Encoder() = default;

  // Appends the records of rows [first, first + count) of `batch` to `bytes`, one a row, and where
  // each ends in *bytes to `ends`. Between records is nothing: files put record_separator() there.
  // Row kinds are not looked at: whoever calls gives only kinds that row_kinds() allows (an upsert
  // sink gives +U as if it were +I). kUser if a value has no form in the format (a NULL key of a map);
  // `bytes` and `ends` then hold the rows before it.
  virtual runtime::Status Encode(const runtime::Batch& batch, int32_t first, int32_t count,
                                 std::string* bytes, std::vector<uint32_t>* ends) = 0;
  // "+I" or "all", as ConnectorInfo::sink_changelog.
  virtual std::string_view row_kinds() const { return "+I"; }
  virtual std::string_view record_separator() const { return "\n"; }
};

// What a decoder is made from.
struct DecoderSpec {
  std::string format;                        // "json", "csv", "raw"
  runtime::RowType record;                   // columns of a record, in the table's order: without
                                             // metadata and partition columns
  std::vector<std::vector<int>> projection;  // path in `record` of each column wanted; empty: all
  std::vector<int> columns;                  // column of the BatchBuilder that each goes to;
                                             // empty: 0, 1, 2, ...
  bool no_columns = false;                   // none is wanted: rows are only counted
  std::map<std::string, std::string> options;  // of the table; those of the format are picked out
  std::string prefix;                          // "", "key." or "value.": before the format's name
  std::string time_zone = "UTC";               // table.local-time-zone
};

// What an encoder is made from.
struct EncoderSpec {
  std::string format;
  runtime::RowType record;   // columns of a record
  std::vector<int> columns;  // column of the batch that each comes from; empty: 0, 1, 2, ...
  std::map<std::string, std::string> options;
  std::string prefix;
  std::string time_zone = "UTC";
};

// Make a decoder or encoder, or fail with kUser: an unknown format or option (with the nearest known
// one), a type that the format can't hold.
runtime::Result<std::unique_ptr<Decoder>> MakeDecoder(const DecoderSpec& spec);
runtime::Result<std::unique_ptr<Encoder>> MakeEncoder(const EncoderSpec& spec);
// The same for tables without projection: `row` are the columns in order. `table_options` are all of
// the table's ('json.ignore-parse-errors' etc.).
runtime::Result<std::unique_ptr<Decoder>> MakeDecoder(
    const std::string& format, const runtime::RowType& row,
    const std::map<std::string, std::string>& table_options, const std::string& time_zone);
runtime::Result<std::unique_ptr<Encoder>> MakeEncoder(
    const std::string& format, const runtime::RowType& row,
    const std::map<std::string, std::string>& table_options, const std::string& time_zone);

// Names, option tables (without the prefix) and words of all formats: rows of the registry.
std::vector<runtime::FormatInfo> Formats();

// Returns the options of a table that are its connector's own: not 'connector', and not those of the
// formats that 'format', 'key.format' and 'value.format' name. These three keys stay: a connector
// declares those that it takes.
std::map<std::string, std::string> ConnectorOptions(
    const std::map<std::string, std::string>& table_options);

}  // namespace millrace::connectors
