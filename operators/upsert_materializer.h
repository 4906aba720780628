#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/api/operator.h"
#include "runtime/types/key_identity.h"

namespace millrace::operators {

// Turns a changelog whose rows come by other keys than the sink's primary key into one by that key
// (Flink's SinkUpsertMaterializer, ON CONFLICT DO DEDUPLICATE). Config:
//   {"table": identifier, "primaryKey": [0], "inputUpsertKey": [1] or null, "stateTtlMs": 0}
// Input: hashed on the primary key. Output: the same columns, +I, +U and -D.
//
// Holds all rows of a primary key that were added and not taken back, in order. A row that is added
// is emitted, +I if it is the only one, else +U; with an upsert key it takes the place of the row
// with the same one. When the last row is taken back the one before it is emitted as +U, or what
// was taken back as -D if there is none; taking back another one emits nothing, nor does a row that
// is not there. Rows are the same if their BinaryRowData bytes are. A key's rows are one value of
// its state, read and written whole, as in Flink.
class UpsertMaterializer : public runtime::Operator {
 public:
  static runtime::Result<std::unique_ptr<runtime::Operator>> Make(const runtime::OperatorSpec& spec,
                                                                  const runtime::JobSettings&);

  std::vector<runtime::StateSpec> States() const override;
  runtime::Status Open(runtime::OperatorContext& context) override;
  runtime::Status NameKeys(int input, const runtime::Batch& batch,
                           runtime::KeyRequests& requests) override;
  runtime::Result<runtime::Progress> Process(int input, const runtime::BatchPtr& batch,
                                             runtime::Output& out) override;

 private:
  struct Config {
    std::vector<int> primary_key;
    std::vector<int> upsert_key;  // empty: whole rows
    int64_t ttl_ms = 0;
  };
  UpsertMaterializer(Config config, runtime::OperatorSpec spec);
  std::vector<runtime::LogicalType> TypesOf(const std::vector<int>& columns) const;
  // Encodes row `physical` of the batch: what it is known by, then the rest of it.
  void EncodeRow(const runtime::Batch& batch, int32_t physical);
  // Changes the list of rows of a key. Says what to emit, if anything: *emitted is the row's bytes.
  std::optional<runtime::RowKind> Add(std::string* list, std::string_view* emitted) const;
  std::optional<runtime::RowKind> TakeBack(std::string* list, std::string_view* emitted) const;

  const Config config_;
  const runtime::OperatorSpec spec_;
  const runtime::KeyEncoder row_encoder_;
  const runtime::KeyEncoder key_encoder_;  // of the upsert key
  runtime::OperatorContext* context_ = nullptr;
  int32_t next_row_ = 0;   // cursor in the batch
  std::string key_bytes_;  // of the row in work: its upsert key, empty without
  std::string row_bytes_;
  std::string list_;
};

}  // namespace millrace::operators
