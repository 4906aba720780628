#include <algorithm>

#include "connectors/formats/format.h"
#include "connectors/kinesis/kinesis_source.h"
#include "connectors/kinesis/shard_fetcher.h"
#include "runtime/types/text/value_text.h"

namespace millrace::connectors {

using runtime::Progress;
using runtime::ReadOutput;
using runtime::Result;
using runtime::Split;
using runtime::Status;

namespace {

enum class Metadata : uint8_t { kTimestamp, kShardId, kSequenceNumber, kPartitionKey };

// How the columns of a batch are made of a record.
struct RowPlan {
  runtime::RowType columns;  // of the builder: decoded ones, then metadata
  int decoded = 0;           // how many are the decoder's
  bool drop_first = false;   // the query wants no column of the record: one is decoded to
                             // count rows, and dropped
  std::vector<Metadata> metadata;
};

// Takes records from the fetcher, shard by shard in turn, and decodes a batch of them a call.
class ShardReader : public runtime::SourceReader {
 public:
  ShardReader(std::shared_ptr<KinesisClient> client, const KinesisSourceSettings& settings,
              std::unique_ptr<Decoder> decoder, RowPlan plan)
      : client_(std::move(client)),
        settings_(settings),
        decoder_(std::move(decoder)),
        plan_(std::move(plan)) {}

  ~ShardReader() override {
    if (gate_ == nullptr) return;
    gate_->Close();
    fetcher_->Stop();
    for (Shard& shard : shards_) {
      if (shard.current != nullptr) fetcher_->Release(std::move(shard.current));
    }
  }

  Status Open(runtime::OperatorContext& context) override {
    context_ = &context;
    gate_ = std::make_shared<IoGate>(&context);
    client_->outage().ShowIn(gate_);
    fetcher_ = std::make_shared<ShardFetcher>(client_, gate_, settings_,
                                              context.pool().shared_from_this());
    rows_.emplace(context.pool(), plan_.columns, context.settings().batch_rows);
    bytes_in_ = &context.metrics().counter("numBytesIn");
    behind_metric_ = &context.metrics().gauge("millisBehindLatest");
    return Status::Ok();
  }

  Status AddSplits(const std::vector<Split>& splits) override {
    for (const Split& split : splits) {
      ASSIGN_OR_RETURN(const ShardPosition position, ShardPosition::Parse(split.position));
      Shard& shard = shards_.emplace_back();
      shard.id = split.id;
      shard.position = position;
      fetcher_->AddShard(split.id, position.start, position.until_ms);
    }
    return Status::Ok();
  }

  void NoMoreSplits() override { no_more_splits_ = true; }
  void SetPaused(int32_t split, bool paused) override {
    shards_[static_cast<size_t>(split)].paused = paused;
  }

  Result<Progress> Poll(ReadOutput* out) override {
    if (!failure_.ok()) return failure_;
    bool all_finished = true;
    for (size_t i = 0; i < shards_.size(); ++i) {
      const size_t index = (next_shard_ + i) % shards_.size();
      Shard& shard = shards_[index];
      if (shard.finished) continue;
      all_finished = false;
      if (shard.paused) continue;
      if (shard.current == nullptr) {
        shard.current = fetcher_->Take(static_cast<int>(index));
        shard.next_record = 0;
      }
      if (shard.current == nullptr) continue;
      next_shard_ = index + 1;
      behind_metric_->Set(fetcher_->behind_ms());
      out->split = static_cast<int32_t>(index);
      RETURN_IF_ERROR(Decode(&shard, out));
      return Progress::kMore;
    }
    if (all_finished && no_more_splits_) return Progress::kFinished;
    RETURN_IF_ERROR(fetcher_->status().Within(Where()));
    return Progress::kBlocked;
  }

  Result<std::vector<Split>> Snapshot() override {
    std::vector<Split> splits;
    for (const Shard& shard : shards_) {
      if (!shard.finished) splits.push_back({shard.id, shard.position.ToText()});
    }
    return splits;
  }

 private:
  struct Shard {
    std::string id;
    ShardPosition position;  // behind what was handed over
    std::unique_ptr<FetchedRecords> current;
    size_t next_record = 0;  // of `current`
    bool paused = false;
    bool finished = false;
  };

  std::string Where() const { return "stream '" + client_->options().stream + "'"; }

  // Decodes the next records of the shard into one batch.
  Status Decode(Shard* shard, ReadOutput* out) {
    const FetchedRecords& fetched = *shard->current;
    const size_t begin = shard->next_record;
    records_.clear();
    size_t bytes = 0;
    const auto records_max = static_cast<size_t>(context_->settings().batch_rows);
    for (size_t i = begin; i < fetched.records.size() && records_.size() < records_max; ++i) {
      bytes += fetched.records[i].data.size();
      if (bytes > context_->settings().batch_bytes && !records_.empty()) break;
      records_.push_back(fetched.records[i].data);
    }
    record_of_row_.clear();
    size_t done = records_.size();
    Status decoded;
    if (!records_.empty()) {
      decoded = decoder_->Decode(records_, *rows_, &record_of_row_);
      if (!decoded.ok()) {
        done = decoder_->failed_record();
        // Rows before the bad record still go out; the error is for the next call.
        failure_ = decoded.Within(Where() + ", shard " + shard->id + ", sequence number " +
                                  std::string(fetched.records[begin + done].sequence_number));
      }
      bytes_in_->Add(static_cast<int64_t>(bytes));
    }
    if (rows_->num_rows() > 0) {
      AppendMetadata(*shard, begin);
      out->batch = rows_->Finish();
      if (plan_.drop_first) {
        std::vector<runtime::VectorPtr> columns(out->batch->columns().begin() + 1,
                                                out->batch->columns().end());
        out->batch = WithColumns(*out->batch, std::move(columns), false);
      }
    }
    if (done > 0) {
      shard->position.start = {ShardStart::Kind::kAfterSequenceNumber,
                               std::string(fetched.records[begin + done - 1].sequence_number), 0};
    }
    if (!decoded.ok()) return out->batch == nullptr ? failure_ : Status::Ok();
    shard->next_record = begin + done;
    if (shard->next_record == fetched.records.size()) {
      shard->finished = out->split_finished = fetched.next_iterator.empty();
      fetcher_->Release(std::move(shard->current));
    }
    return Status::Ok();
  }

  void AppendMetadata(const Shard& shard, size_t begin) {
    for (size_t m = 0; m < plan_.metadata.size(); ++m) {
      runtime::VectorBuilder& column = rows_->column(plan_.decoded + static_cast<int>(m));
      for (const int32_t row_record : record_of_row_) {
        const KinesisRecord& record =
            shard.current->records[begin + static_cast<size_t>(row_record)];
        switch (plan_.metadata[m]) {
          case Metadata::kTimestamp:
            AppendTimestampTo(&column, {record.arrival_ms, 0});
            break;
          case Metadata::kShardId:
            column.AppendString(shard.id);
            break;
          case Metadata::kSequenceNumber:
            column.AppendString(record.sequence_number);
            break;
          case Metadata::kPartitionKey:
            column.AppendString(record.partition_key);
            break;
        }
      }
    }
  }

  const std::shared_ptr<KinesisClient> client_;
  const KinesisSourceSettings settings_;
  const std::unique_ptr<Decoder> decoder_;
  const RowPlan plan_;
  runtime::OperatorContext* context_ = nullptr;
  std::shared_ptr<IoGate> gate_;
  std::shared_ptr<ShardFetcher> fetcher_;
  std::optional<runtime::BatchBuilder> rows_;
  std::vector<Shard> shards_;
  size_t next_shard_ = 0;
  bool no_more_splits_ = false;
  Status failure_;
  std::vector<std::string_view> records_;
  std::vector<int32_t> record_of_row_;
  runtime::Counter* bytes_in_ = nullptr;
  runtime::Gauge* behind_metric_ = nullptr;
};

Result<RowPlan> MakePlan(const runtime::TableSpec& table) {
  RowPlan plan;
  for (const std::string& key : table.metadata) {
    const auto known = KinesisReadableMetadata();
    const auto found =
        std::find_if(known.begin(), known.end(), [&](const auto& f) { return f.name == key; });
    if (found == known.end()) {
      return Status::User("unknown metadata column '" + key +
                          "' of connector 'kinesis'. Known: timestamp, shard-id, sequence-number, "
                          "partition-key");
    }
    plan.metadata.push_back(static_cast<Metadata>(found - known.begin()));
  }
  if (table.produced.size() < table.metadata.size()) {
    return Status::Internal("a kinesis table produces fewer columns than it has metadata columns");
  }
  const size_t decoded = table.produced.size() - table.metadata.size();
  plan.columns = table.produced;
  plan.decoded = static_cast<int>(decoded);
  if (decoded == 0) {
    if (table.physical.empty()) {
      return Status::User("a kinesis table needs at least one physical column");
    }
    plan.drop_first = true;
    plan.decoded = 1;
    plan.columns.insert(plan.columns.begin(), table.physical[0]);
  }
  return plan;
}

}  // namespace

Result<std::unique_ptr<runtime::SourceReader>> MakeShardReader(
    std::shared_ptr<KinesisClient> client, const KinesisSettings& settings,
    const runtime::TableSpec& table) {
  ASSIGN_OR_RETURN(RowPlan plan, MakePlan(table));
  DecoderSpec spec;
  spec.format = settings.format;
  spec.record = table.physical;
  spec.projection = table.projection;
  if (plan.drop_first) spec.projection = {{0}};
  spec.options = table.options;
  spec.time_zone = table.time_zone;
  ASSIGN_OR_RETURN(std::unique_ptr<Decoder> decoder, MakeDecoder(spec));
  return std::make_unique<ShardReader>(std::move(client), settings.source, std::move(decoder),
                                       std::move(plan));
}

}  // namespace millrace::connectors
