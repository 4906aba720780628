#include <algorithm>
#include <random>

#include "connectors/formats/format.h"
#include "connectors/kinesis/kinesis_sink.h"
#include "connectors/kinesis/put_queue.h"
#include "runtime/types/text/value_text.h"

namespace millrace::connectors {

using runtime::Batch;
using runtime::BatchPtr;
using runtime::Progress;
using runtime::Result;
using runtime::Status;

namespace {

constexpr size_t kKeyCharactersMax = 256;

// Makes the partition key of each row.
class PartitionKeys {
 public:
  // `columns`: of the row, for SinkPartitioner::kFields.
  PartitionKeys(const KinesisSinkSettings& settings, runtime::RowType type,
                std::vector<int> columns)
      : partitioner_(settings.partitioner),
        delimiter_(settings.field_delimiter),
        type_(std::move(type)),
        columns_(std::move(columns)),
        random_(std::random_device{}()) {}

  void SetSubtask(int subtask) { subtask_ = std::to_string(subtask); }

  // Valid until the next call.
  std::string_view KeyOf(const Batch& batch, int32_t physical_row) {
    if (partitioner_ == SinkPartitioner::kFixed) return subtask_;
    key_.clear();
    if (partitioner_ == SinkPartitioner::kRandom) {
      AppendRandom();
      return key_;
    }
    for (size_t i = 0; i < columns_.size(); ++i) {
      if (i > 0) key_ += delimiter_;
      const runtime::Vector& column = batch.column(columns_[i]);
      const runtime::LogicalType& type = type_[static_cast<size_t>(columns_[i])].type;
      if (type.is_string() && !column.IsNull(physical_row)) {
        key_ += column.At<runtime::StringRef>(physical_row).view();
      } else {
        PrintValue(type, column, physical_row, &key_);
      }
    }
    CutToLength();
    // A key may not be empty.
    return key_.empty() ? std::string_view("-") : std::string_view(key_);
  }

 private:
  void AppendRandom() {
    static constexpr char kDigits[] = "0123456789abcdef";
    const uint64_t bits = random_();
    for (int shift = 60; shift >= 0; shift -= 4) key_.push_back(kDigits[bits >> shift & 15]);
  }
  void CutToLength() {
    if (key_.size() <= kKeyCharactersMax) return;
    size_t characters = 0;
    for (size_t i = 0; i < key_.size(); ++i) {
      if ((static_cast<unsigned char>(key_[i]) & 0xc0) == 0x80) continue;
      if (characters++ == kKeyCharactersMax) {
        key_.resize(i);
        return;
      }
    }
  }

  const SinkPartitioner partitioner_;
  const std::string delimiter_;
  const runtime::RowType type_;
  const std::vector<int> columns_;
  std::mt19937_64 random_;
  std::string subtask_;
  std::string key_;
};

// Fills requests row by row and hands full ones to the queue. An epoch is one transaction.
class KinesisWriter : public runtime::SinkWriter {
 public:
  KinesisWriter(std::shared_ptr<KinesisClient> client, const KinesisSinkSettings& settings,
                std::unique_ptr<Encoder> encoder, PartitionKeys keys, std::string prefix)
      : client_(std::move(client)),
        settings_(settings),
        encoder_(std::move(encoder)),
        keys_(std::move(keys)),
        prefix_(std::move(prefix)) {}

  // What no checkpoint will name is dropped now rather than when the log loses patience; best
  // effort.
  ~KinesisWriter() override {
    if (queue_ == nullptr) return;
    const bool under_way = queue_->Stop();
    gate_->Close();
    if (exactly_once() && batch_ > 0 && !under_way && queue_->status().ok()) {
      (void)client_->AbortTransaction(transaction_).ok();
    }
  }

  Status Open(runtime::OperatorContext& context) override {
    context_ = &context;
    keys_.SetSubtask(context.subtask());
    gate_ = std::make_shared<IoGate>(&context);
    client_->outage().ShowIn(gate_);
    queue_ = std::make_shared<PutQueue>(client_, gate_, settings_);
    bytes_out_ = &context.metrics().counter("numBytesOut");
    records_out_ = &context.metrics().counter("numRecordsSend");
    BeginEpoch();
    return Status::Ok();
  }

  Result<Progress> Write(const BatchPtr& batch) override {
    RETURN_IF_ERROR(queue_->status());
    if (!queue_->AwaitAtMost(settings_.buffered_records_max)) return Progress::kBlocked;
    bytes_.clear();
    ends_.clear();
    RETURN_IF_ERROR(encoder_->Encode(*batch, 0, batch->num_rows(), &bytes_, &ends_));
    CHECK_THAT_HOLDS(ends_.size() == static_cast<size_t>(batch->num_rows()));
    size_t begin = 0;
    for (int32_t row = 0; row < batch->num_rows(); ++row) {
      const size_t end = ends_[static_cast<size_t>(row)];
      const std::string_view data(bytes_.data() + begin, end - begin);
      begin = end;
      if (request_ == nullptr) BeginRequest();
      request_->Add(data, keys_.KeyOf(*batch, batch->PhysicalRow(row)));
      if (request_->records() >= settings_.request_records_max ||
          request_->size_bytes() >= settings_.request_bytes_max) {
        Flush();
      }
    }
    bytes_out_->Add(static_cast<int64_t>(bytes_.size()));
    records_out_->Add(batch->num_rows());
    return Progress::kNeedInput;
  }

  Result<Progress> Prepare(int64_t, bool, std::vector<std::string>* committables) override {
    if (request_ != nullptr) Flush();
    RETURN_IF_ERROR(queue_->status());
    if (!queue_->AwaitAtMost(0)) return Progress::kBlocked;
    if (exactly_once() && batch_ > 0) {
      committables->push_back(PreparedTransaction{transaction_, context_->now_ms()}.ToText());
      BeginEpoch();
    }
    return Progress::kNeedInput;
  }

  Status OnTimer(int64_t now_ms) override {
    RETURN_IF_ERROR(queue_->status());
    if (request_ == nullptr) return Status::Ok();
    if (now_ms >= request_begun_ms_ + settings_.flush_timeout_ms) {
      Flush();
    } else {
      context_->SetProcessingTimer(request_begun_ms_ + settings_.flush_timeout_ms);
    }
    return Status::Ok();
  }

 private:
  bool exactly_once() const { return !prefix_.empty(); }

  void BeginEpoch() {
    batch_ = 0;
    if (!exactly_once()) return;
    transaction_ = prefix_ + std::to_string(context_->subtask()) + "/" + context_->run().run_id +
                   "/" + std::to_string(++epoch_);
  }

  void BeginRequest() {
    request_ = std::make_unique<PutRequest>(*client_);
    request_begun_ms_ = context_->now_ms();
    // Under a transaction no one sees the rows before the checkpoint, which flushes.
    if (!exactly_once()) {
      context_->SetProcessingTimer(request_begun_ms_ + settings_.flush_timeout_ms);
    }
  }

  void Flush() {
    ++batch_;
    queue_->Push(std::move(request_), exactly_once() ? transaction_ : "", batch_);
    request_ = nullptr;
  }

  const std::shared_ptr<KinesisClient> client_;
  const KinesisSinkSettings settings_;
  const std::unique_ptr<Encoder> encoder_;
  PartitionKeys keys_;
  const std::string prefix_;
  runtime::OperatorContext* context_ = nullptr;
  std::shared_ptr<IoGate> gate_;
  std::shared_ptr<PutQueue> queue_;
  std::unique_ptr<PutRequest> request_;  // being filled; null: none
  int64_t request_begun_ms_ = 0;
  std::string transaction_;  // of this epoch
  uint64_t epoch_ = 0;
  uint64_t batch_ = 0;  // requests of this epoch
  std::string bytes_;
  std::vector<uint32_t> ends_;
  runtime::Counter* bytes_out_ = nullptr;
  runtime::Counter* records_out_ = nullptr;
};

}  // namespace

Result<std::unique_ptr<runtime::SinkWriter>> MakeKinesisWriter(
    std::shared_ptr<KinesisClient> client, const KinesisSettings& settings,
    const runtime::TableSpec& table, std::string prefix) {
  std::vector<int> key_columns;
  for (const std::string& name : table.partition_keys) {
    const auto found = std::find_if(table.produced.begin(), table.produced.end(),
                                    [&](const auto& field) { return field.name == name; });
    if (found == table.produced.end()) {
      return Status::User("PARTITIONED BY names a column that is not written: '" + name + "'");
    }
    key_columns.push_back(static_cast<int>(found - table.produced.begin()));
  }
  EncoderSpec spec;
  spec.format = settings.format;
  spec.record = table.produced;
  spec.options = table.options;
  spec.time_zone = table.time_zone;
  ASSIGN_OR_RETURN(std::unique_ptr<Encoder> encoder, MakeEncoder(spec));
  return std::make_unique<KinesisWriter>(
      std::move(client), settings.sink, std::move(encoder),
      PartitionKeys(settings.sink, table.produced, std::move(key_columns)), std::move(prefix));
}

}  // namespace millrace::connectors
