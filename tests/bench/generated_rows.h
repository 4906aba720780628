#pragma once

#include <array>
#include <atomic>
#include <cstring>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "runtime/api/registry.h"

// A source of generated rows and a sink that adds them up, as connectors of a bench.

namespace millrace::bench {

using namespace runtime;  // NOLINT: this file is about the runtime's contracts

constexpr int64_t kKeys = 1'000'000;
constexpr int64_t kWindowKeys = 100'000;
constexpr int32_t kWideBatches = 64;

// What a plain loop over the generated rows gives, by column; and what came out at the sinks, with
// the rows of -U and -D taken off. Columns that are not BIGINT count as 0.
using Sums = std::array<uint64_t, 8>;
inline std::mutex sums_mutex;
inline Sums sums_in, sums_out;
inline std::atomic<uint64_t> rows_in;

inline void AddSums(Sums* to, const Sums& from) {
  std::lock_guard lock(sums_mutex);
  for (size_t i = 0; i < from.size(); ++i) (*to)[i] += from[i];
}

constexpr uint64_t kGamma = 0x9e3779b97f4a7c15ull;
inline uint64_t Mix(uint64_t x) {  // splitmix64's finaliser
  x ^= x >> 30;
  x *= 0xbf58476d1ce4e5b9ull;
  x ^= x >> 27;
  x *= 0x94d049bb133111ebull;
  return x ^ (x >> 31);
}

// Writes the 20 bytes of a key: 8 hexadecimal digits, at once, and a name behind them.
inline void WriteKey(uint32_t number, char* to) {
  uint64_t spread = number;
  spread = (spread | (spread << 16)) & 0x0000ffff0000ffffull;
  spread = (spread | (spread << 8)) & 0x00ff00ff00ff00ffull;
  spread = (spread | (spread << 4)) & 0x0f0f0f0f0f0f0f0full;
  spread += 0x6161616161616161ull;  // 'a' to 'p'
  std::memcpy(to, &spread, 8);
  std::memcpy(to + 8, "-of-customer", 12);
}

enum class Shape { kKeyed, kStrings, kTimed, kWide };

inline RowType RowTypeOf(Shape shape) {
  const LogicalType number(TypeKind::kBigInt, false);
  const LogicalType text = LogicalType::VarChar();
  switch (shape) {
    case Shape::kKeyed:
      return {{"k", number}, {"v", number}};
    case Shape::kStrings:
      return {{"k", text}, {"v", number}};
    case Shape::kTimed:
      return {{"k", number}, {"n", LogicalType::Parse("INTERVAL SECOND(3) NOT NULL").value()}};
    case Shape::kWide:
      return {{"a", number}, {"b", number}, {"c", number}, {"d", number}, {"s", text}, {"t", text}};
  }
  return {};
}

class GeneratedReader : public SourceReader {
 public:
  explicit GeneratedReader(Shape shape) : shape_(shape) {}
  ~GeneratedReader() override {
    AddSums(&sums_in, sums_);
    rows_in += static_cast<uint64_t>(next_);
  }
  Status Open(OperatorContext& context) override {
    context_ = &context;
    seed_ = Mix(static_cast<uint64_t>(context.subtask()) + 1);
    if (shape_ == Shape::kWide) {
      for (int32_t i = 0; i < kWideBatches; ++i)
        wide_.push_back(MakeWide(&wide_sums_.emplace_back()));
    }
    return Status::Ok();
  }
  Status AddSplits(const std::vector<Split>& splits) override {
    has_split_ |= !splits.empty();
    return Status::Ok();
  }
  void NoMoreSplits() override { no_more_ = true; }
  Result<Progress> Poll(ReadOutput* out) override {
    if (!has_split_) return no_more_ ? Progress::kFinished : Progress::kBlocked;
    out->split = 0;
    const int32_t rows = context_->settings().batch_rows;
    switch (shape_) {
      case Shape::kKeyed:
        out->batch = BatchOf({Random(0, kKeys, rows), Random(1, 1000, rows)}, rows);
        break;
      case Shape::kStrings:
        out->batch = BatchOf({Keys(rows), Random(1, 1000, rows)}, rows);
        break;
      case Shape::kTimed:
        out->batch = BatchOf({Random(0, kWindowKeys, rows), Sequence(rows)}, rows);
        break;
      case Shape::kWide: {
        const auto index = static_cast<size_t>(turn_++ % kWideBatches);
        out->batch = wide_[index];
        for (size_t c = 0; c < sums_.size(); ++c) sums_[c] += wide_sums_[index][c];
        next_ += out->batch->num_rows();
        return Progress::kMore;
      }
    }
    next_ += rows;
    return Progress::kMore;
  }
  Result<std::vector<Split>> Snapshot() override {
    return std::vector<Split>{{"rows-" + std::to_string(context_->subtask()), ""}};
  }

 private:
  static BatchPtr BatchOf(std::vector<VectorPtr> columns, int32_t rows) {
    return std::make_shared<Batch>(std::move(columns), rows);
  }
  uint64_t StartOf(uint64_t column) const {
    return seed_ + (column << 40) + static_cast<uint64_t>(next_) * kGamma;
  }
  VectorPtr Random(size_t column, uint64_t below, int32_t rows) {
    BufferPtr buffer = AllocateValues(context_->pool(), PhysicalType::kInt64, rows);
    auto* __restrict to = reinterpret_cast<int64_t*>(buffer->data());
    const uint64_t start = StartOf(column);
    uint64_t sum = 0;
    for (int32_t i = 0; i < rows; ++i) {
      const uint64_t bits = Mix(start + static_cast<uint64_t>(i) * kGamma) >> 32;
      to[i] = static_cast<int64_t>((bits * below) >> 32);
      sum += static_cast<uint64_t>(to[i]);
    }
    sums_[column] += sum;
    auto vector = std::make_shared<Vector>(PhysicalType::kInt64, Encoding::kFlat, rows);
    vector->SetValues(std::move(buffer));
    return vector;
  }
  VectorPtr Sequence(int32_t rows) {
    BufferPtr buffer = AllocateValues(context_->pool(), PhysicalType::kInt64, rows);
    auto* to = reinterpret_cast<int64_t*>(buffer->data());
    for (int32_t i = 0; i < rows; ++i) to[i] = next_ + i;
    auto vector = std::make_shared<Vector>(PhysicalType::kInt64, Encoding::kFlat, rows);
    vector->SetValues(std::move(buffer));
    return vector;
  }
  VectorPtr Keys(int32_t rows) {
    constexpr uint32_t kBytes = 20;
    BufferPtr heap =
        context_->pool().Allocate(static_cast<size_t>(rows) * kBytes + Vector::kPaddingBytes);
    BufferPtr buffer = AllocateValues(context_->pool(), PhysicalType::kString, rows);
    auto* to = reinterpret_cast<StringRef*>(buffer->data());
    const uint64_t start = StartOf(0);
    for (int32_t i = 0; i < rows; ++i) {
      const uint64_t bits = Mix(start + static_cast<uint64_t>(i) * kGamma) >> 32;
      char* const at = heap->data() + static_cast<size_t>(i) * kBytes;
      WriteKey(static_cast<uint32_t>((bits * kKeys) >> 32), at);
      to[i] = StringRef(at, kBytes);
    }
    auto vector = std::make_shared<Vector>(PhysicalType::kString, Encoding::kFlat, rows);
    vector->SetValues(std::move(buffer));
    vector->AddHeap(std::move(heap));
    return vector;
  }
  BatchPtr MakeWide(Sums* sums) {
    BatchBuilder builder(context_->pool(), RowTypeOf(Shape::kWide));
    for (int32_t i = 0; i < kDefaultBatchRows; ++i) {
      const auto number =
          static_cast<uint64_t>(wide_.size()) * kDefaultBatchRows + static_cast<uint64_t>(i);
      for (int c = 0; c < 4; ++c) {
        const uint64_t value = Mix(seed_ + (static_cast<uint64_t>(c) << 40) + number * kGamma) >> 1;
        builder.column(c).Append(static_cast<int64_t>(value));
        (*sums)[static_cast<size_t>(c)] += value;
      }
      char key[20];
      WriteKey(static_cast<uint32_t>(Mix(number)), key);
      builder.column(4).AppendString({key, sizeof(key)});
      builder.column(5).AppendString(
          std::string(38 + number % 9, static_cast<char>('a' + number % 26)));
      builder.EndRow();
    }
    return builder.Finish();
  }

  const Shape shape_;
  OperatorContext* context_ = nullptr;
  uint64_t seed_ = 0;
  int64_t next_ = 0;
  Sums sums_{};
  bool has_split_ = false;
  bool no_more_ = false;
  std::vector<BatchPtr> wide_;
  std::vector<Sums> wide_sums_;
  int64_t turn_ = 0;
};

class GeneratedEnumerator : public SplitEnumerator {
 public:
  explicit GeneratedEnumerator(int splits) : splits_(splits) {}
  Result<std::vector<Split>> Discover() override {
    std::vector<Split> found;
    for (int i = 0; i < std::exchange(splits_, 0); ++i)
      found.push_back({"rows-" + std::to_string(i), ""});
    return found;
  }
  std::string Snapshot() const override { return ""; }
  Status Restore(const std::string&) override { return Status::Ok(); }

 private:
  int splits_;
};

class GeneratedSource : public Source {
 public:
  GeneratedSource(Shape shape, int parallelism) : shape_(shape), parallelism_(parallelism) {}
  Result<std::unique_ptr<SplitEnumerator>> MakeEnumerator() override {
    return std::make_unique<GeneratedEnumerator>(parallelism_);
  }
  Result<std::unique_ptr<SourceReader>> MakeReader() override {
    return std::make_unique<GeneratedReader>(shape_);
  }
  bool bounded() const override { return false; }

 private:
  const Shape shape_;
  const int parallelism_;
};

// Touches every value: BIGINT columns are added up, signed by the kind of the row; of strings the
// size and the last byte are read.
class SumWriter : public SinkWriter {
 public:
  // With `of_calc` the rows are the input of the calc case, and what it should give of them is
  // added up.
  explicit SumWriter(bool of_calc) : of_calc_(of_calc) {}
  ~SumWriter() override { AddSums(of_calc_ ? &sums_in : &sums_out, sums_); }
  Status Open(OperatorContext&) override { return Status::Ok(); }
  Result<Progress> Write(const BatchPtr& batch) override {
    if (of_calc_) {
      AddCalc(*batch);
      return Progress::kNeedInput;
    }
    const int32_t count = batch->num_rows();
    const RowKind* kinds = batch->row_kinds();
    const int32_t* rows = batch->selection();
    signs_.resize(static_cast<size_t>(count));
    for (int32_t i = 0; i < count; ++i) {
      const RowKind kind =
          kinds == nullptr ? RowKind::kInsert : kinds[rows == nullptr ? i : rows[i]];
      signs_[static_cast<size_t>(i)] =
          kind == RowKind::kUpdateBefore || kind == RowKind::kDelete ? -1 : 1;
    }
    for (int c = 0; c < batch->num_columns(); ++c) {
      const Vector& column = batch->column(c);
      uint64_t sum = 0;
      if (column.physical() == PhysicalType::kString) {
        for (int32_t i = 0; i < count; ++i) {
          const StringRef& text = column.At<StringRef>(batch->PhysicalRow(i));
          sum += text.size() + static_cast<uint8_t>(text.data()[text.size() - 1]);
        }
        touched_ += sum;
        continue;
      }
      const auto* values = column.values<uint64_t>();
      if (column.may_have_nulls()) {
        for (int32_t i = 0; i < count; ++i) {
          const int32_t row = batch->PhysicalRow(i);
          if (column.IsNull(row)) continue;
          sum += values[column.PositionOf(row)] * static_cast<uint64_t>(signs_[i]);
        }
      } else if (column.encoding() == Encoding::kFlat && rows == nullptr) {
        for (int32_t i = 0; i < count; ++i) sum += values[i] * static_cast<uint64_t>(signs_[i]);
      } else {
        for (int32_t i = 0; i < count; ++i) {
          sum +=
              values[column.PositionOf(batch->PhysicalRow(i))] * static_cast<uint64_t>(signs_[i]);
        }
      }
      sums_[static_cast<size_t>(c)] += sum;
    }
    return Progress::kNeedInput;
  }
  Result<Progress> Prepare(int64_t, bool, std::vector<std::string>*) override {
    return Progress::kNeedInput;
  }

 private:
  // The calc case, one row at a time.
  void AddCalc(const Batch& batch) {
    for (int32_t i = 0; i < batch.num_rows(); ++i) {
      const int32_t row = batch.PhysicalRow(i);
      uint64_t value[3];
      bool null[3];
      for (int c = 0; c < 3; ++c) {
        null[c] = batch.column(c).IsNull(row);
        value[c] = static_cast<uint64_t>(batch.column(c).At<int64_t>(row));
      }
      if (null[0] || static_cast<int64_t>(value[0]) <= 0) continue;
      if (!null[1]) sums_[0] += value[0] + 3 * value[1];
      if (!null[1] && !null[2]) sums_[1] += value[0] * value[1] - value[2];
      const int chosen = !null[2] && static_cast<int64_t>(value[2]) > 0 ? 0 : 1;
      if (!null[chosen]) sums_[2] += value[chosen];
    }
  }

  const bool of_calc_;
  std::vector<int64_t> signs_;
  Sums sums_{};
  uint64_t touched_ = 0;
};

class SumSink : public Sink {
 public:
  explicit SumSink(bool of_calc) : of_calc_(of_calc) {}
  Result<std::unique_ptr<SinkWriter>> MakeWriter() override {
    return std::make_unique<SumWriter>(of_calc_);
  }
  Result<std::unique_ptr<SinkCommitter>> MakeCommitter() override {
    return std::unique_ptr<SinkCommitter>();
  }

 private:
  const bool of_calc_;
};

inline void AddBenchConnectors(Registry* registry) {
  constexpr std::pair<const char*, Shape> kSources[] = {{"generated-keyed", Shape::kKeyed},
                                                        {"generated-strings", Shape::kStrings},
                                                        {"generated-timed", Shape::kTimed},
                                                        {"generated-wide", Shape::kWide}};
  for (const auto& [name, shape] : kSources) {
    ConnectorInfo info;
    info.name = name;
    info.make_source = [shape = shape](const TableSpec& table) -> Result<std::unique_ptr<Source>> {
      return std::make_unique<GeneratedSource>(shape, table.parallelism);
    };
    registry->AddConnector(std::move(info));
  }
  for (const bool of_calc : {false, true}) {
    ConnectorInfo sum;
    sum.name = of_calc ? "sum-of-calc" : "sum";
    sum.make_sink = [of_calc](const TableSpec&) -> Result<std::unique_ptr<Sink>> {
      return std::make_unique<SumSink>(of_calc);
    };
    registry->AddConnector(std::move(sum));
  }
}

}  // namespace millrace::bench
