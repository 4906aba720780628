#include "connectors/blackhole/blackhole_connector.h"

namespace millrace::connectors {

namespace {

using namespace runtime;  // NOLINT: this file is about the runtime's contracts

constexpr OptionSpec kOptions[] = {
    {"property-version", OptionType::kInt, "1", "Ignored, as in Flink."}};

template <typename T>
uint64_t SumOf(const Batch& batch, const Vector& column) {
  uint64_t sum = 0;
  const T* values = column.values<T>();
  const int32_t count = batch.num_rows();
  if (column.encoding() == Encoding::kFlat && batch.selection() == nullptr) {
    for (int32_t i = 0; i < count; ++i) sum += static_cast<uint64_t>(values[i]);
  } else {
    for (int32_t i = 0; i < count; ++i) {
      sum += static_cast<uint64_t>(values[column.PositionOf(batch.PhysicalRow(i))]);
    }
  }
  return sum;
}

uint64_t Touch(const Batch& batch, const Vector& column) {
  switch (column.physical()) {
    case PhysicalType::kBool:
    case PhysicalType::kInt8: return SumOf<uint8_t>(batch, column);
    case PhysicalType::kInt16: return SumOf<uint16_t>(batch, column);
    case PhysicalType::kInt32:
    case PhysicalType::kFloat: return SumOf<uint32_t>(batch, column);
    case PhysicalType::kInt64:
    case PhysicalType::kDouble: return SumOf<uint64_t>(batch, column);
    case PhysicalType::kInt128: {
      uint64_t sum = 0;
      for (int32_t i = 0; i < batch.num_rows(); ++i) {
        sum += static_cast<uint64_t>(column.At<Int128>(batch.PhysicalRow(i)));
      }
      return sum;
    }
    case PhysicalType::kTimestamp: {
      uint64_t sum = 0;
      for (int32_t i = 0; i < batch.num_rows(); ++i) {
        sum += static_cast<uint64_t>(column.At<TimestampNanos>(batch.PhysicalRow(i)).ms);
      }
      return sum;
    }
    case PhysicalType::kString: {
      uint64_t sum = 0;
      for (int32_t i = 0; i < batch.num_rows(); ++i) {
        const StringRef& text = column.At<StringRef>(batch.PhysicalRow(i));
        sum += text.size();
        if (text.size() > 0) sum += static_cast<uint8_t>(text.data()[text.size() - 1]);
      }
      return sum;
    }
    case PhysicalType::kRow: {
      uint64_t sum = 0;
      for (const VectorPtr& child : column.children()) sum += Touch(batch, *child);
      return sum;
    }
    default: return static_cast<uint64_t>(column.length());
  }
}

class BlackholeWriter : public SinkWriter {
 public:
  Status Open(OperatorContext& context) override {
    checksum_ = &context.metrics().gauge("checksum");
    return Status::Ok();
  }
  Result<Progress> Write(const BatchPtr& batch) override {
    for (const VectorPtr& column : batch->columns()) sum_ += Touch(*batch, *column);
    checksum_->Set(static_cast<int64_t>(sum_));
    return Progress::kNeedInput;
  }
  Result<Progress> Prepare(int64_t, bool, std::vector<std::string>*) override {
    return Progress::kNeedInput;
  }

 private:
  uint64_t sum_ = 0;
  Gauge* checksum_ = nullptr;
};

class BlackholeSink : public Sink {
 public:
  Result<std::unique_ptr<SinkWriter>> MakeWriter() override {
    return std::make_unique<BlackholeWriter>();
  }
  Result<std::unique_ptr<SinkCommitter>> MakeCommitter() override {
    return std::unique_ptr<SinkCommitter>();
  }
};

}  // namespace

ConnectorInfo MakeBlackholeConnector() {
  ConnectorInfo info;
  info.name = "blackhole";
  info.options = kOptions;
  info.sink_changelog = "all";
  info.abilities = {"partition"};
  info.make_sink = [](const TableSpec&) -> Result<std::unique_ptr<Sink>> {
    return std::make_unique<BlackholeSink>();
  };
  return info;
}

}  // namespace millrace::connectors
