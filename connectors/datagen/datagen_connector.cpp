#include "connectors/datagen/datagen_connector.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "runtime/types/text/value_text.h"

namespace millrace::connectors {

namespace {

using namespace runtime;  // NOLINT: this file is about the runtime's contracts

constexpr OptionSpec kOptions[] = {
    {"rows-per-second", OptionType::kInt, "10000",
     "Rows a second of the whole source; -1 or 0: as many as can be made."},
    {"number-of-rows", OptionType::kInt, nullptr, "Ends after so many rows. Default: never."},
    {"fields.", OptionType::kMap, nullptr,
     "fields.NAME.kind: random (default) or sequence; .min, .max; .start, .end; .length of strings; "
     ".null-rate from 0 to 1; .max-past of timestamps."},
    {"scan.parallelism", OptionType::kInt, nullptr, "Subtasks.", "", false, false, true}};

// Mixes a counter into 64 random bits (splitmix64's finaliser).
inline uint64_t Mix(uint64_t x) {
  x ^= x >> 30;
  x *= 0xbf58476d1ce4e5b9ull;
  x ^= x >> 27;
  x *= 0x94d049bb133111ebull;
  return x ^ (x >> 31);
}
constexpr uint64_t kGamma = 0x9e3779b97f4a7c15ull;

struct ColumnPlan {
  LogicalType type;
  bool sequence = false;
  int64_t minimum = 0;
  uint64_t span = 0;  // values: minimum .. minimum + span; UINT64_MAX: all 64 bits
  double float_minimum = 0, float_maximum = 1;
  int32_t length = 100;
  double null_rate = 0;
  int64_t max_past_ms = 0;
};

// Makes values number first .. first + count - 1 of one column.
class ColumnMaker {
 public:
  ColumnMaker(ColumnPlan plan, uint64_t seed) : plan_(std::move(plan)), seed_(seed) {}

  VectorPtr Make(MemoryPool& pool, int64_t first, int32_t count, int64_t now_ms) {
    if (plan_.type.physical() == PhysicalType::kString) return MakeStrings(pool, first, count);
    auto vector = std::make_shared<Vector>(plan_.type.physical(), Encoding::kFlat, count);
    BufferPtr values = AllocateValues(pool, plan_.type.physical(), count);
    char* to = values->data();
    switch (plan_.type.physical()) {
      case PhysicalType::kBool: {
        for (int32_t i = 0; i < count; ++i) to[i] = static_cast<char>(Bits(first + i) >> 63);
        break;
      }
      case PhysicalType::kInt8: Integers<int8_t>(to, first, count); break;
      case PhysicalType::kInt16: Integers<int16_t>(to, first, count); break;
      case PhysicalType::kInt32: Integers<int32_t>(to, first, count); break;
      case PhysicalType::kInt64:
        if (plan_.type.is_timestamp()) {
          Times(reinterpret_cast<int64_t*>(to), first, count, now_ms);
        } else {
          Integers<int64_t>(to, first, count);
        }
        break;
      case PhysicalType::kInt128: {
        for (int32_t i = 0; i < count; ++i) {
          const Int128 value = plan_.minimum + static_cast<int64_t>(Bits(first + i) % (plan_.span + 1));
          std::memcpy(to + static_cast<size_t>(i) * 16, &value, 16);
        }
        break;
      }
      case PhysicalType::kFloat: Floats<float>(to, first, count); break;
      case PhysicalType::kDouble: Floats<double>(to, first, count); break;
      case PhysicalType::kTimestamp: {
        for (int32_t i = 0; i < count; ++i) {
          reinterpret_cast<TimestampNanos*>(to)[i] = {now_ms - PastMs(first + i), 0};
        }
        break;
      }
      default: CHECK_THAT_HOLDS(false);
    }
    vector->SetValues(std::move(values));
    AddNulls(pool, first, count, vector.get());
    return vector;
  }

 private:
  uint64_t Bits(int64_t number) const { return Mix(seed_ + static_cast<uint64_t>(number) * kGamma); }

  template <typename T>
  void Integers(char* bytes, int64_t first, int32_t count) const {
    T* __restrict to = reinterpret_cast<T*>(bytes);
    if (plan_.sequence) {
      for (int32_t i = 0; i < count; ++i) to[i] = static_cast<T>(plan_.minimum + first + i);
      return;
    }
    const uint64_t start = seed_ + static_cast<uint64_t>(first) * kGamma;
    if (plan_.span == UINT64_MAX) {
      for (int32_t i = 0; i < count; ++i) {
        to[i] = static_cast<T>(Mix(start + static_cast<uint64_t>(i) * kGamma));
      }
    } else if (plan_.span < (uint64_t{1} << 32)) {
      // The upper bits times the number of values: no division, and it vectorises.
      const uint64_t values = plan_.span + 1;
      for (int32_t i = 0; i < count; ++i) {
        const uint64_t bits = Mix(start + static_cast<uint64_t>(i) * kGamma) >> 32;
        to[i] = static_cast<T>(plan_.minimum + static_cast<int64_t>((bits * values) >> 32));
      }
    } else {
      for (int32_t i = 0; i < count; ++i) {
        const auto wide = static_cast<unsigned __int128>(
                              Mix(start + static_cast<uint64_t>(i) * kGamma)) *
                          (plan_.span + 1);
        to[i] = static_cast<T>(plan_.minimum + static_cast<int64_t>(wide >> 64));
      }
    }
  }
  template <typename T>
  void Floats(char* bytes, int64_t first, int32_t count) const {
    T* to = reinterpret_cast<T*>(bytes);
    const double span = plan_.float_maximum - plan_.float_minimum;
    for (int32_t i = 0; i < count; ++i) {
      const double unit = static_cast<double>(Bits(first + i) >> 11) * 0x1p-53;
      to[i] = static_cast<T>(plan_.float_minimum + unit * span);
    }
  }
  int64_t PastMs(int64_t number) const {
    return plan_.max_past_ms == 0
               ? 0
               : static_cast<int64_t>(Bits(number) % static_cast<uint64_t>(plan_.max_past_ms));
  }
  void Times(int64_t* to, int64_t first, int32_t count, int64_t now_ms) const {
    const int64_t factor = plan_.type.precision() > 3 ? 1000 : 1;
    for (int32_t i = 0; i < count; ++i) to[i] = (now_ms - PastMs(first + i)) * factor;
  }

  VectorPtr MakeStrings(MemoryPool& pool, int64_t first, int32_t count) {
    VectorBuilder builder(pool, plan_.type, count);
    std::string text(static_cast<size_t>(plan_.length), '0');
    for (int32_t i = 0; i < count; ++i) {
      if (plan_.sequence) {
        builder.AppendString(std::to_string(plan_.minimum + first + i));
        continue;
      }
      // Flink's: hexadecimal digits.
      uint64_t bits = 0;
      uint64_t state = Bits(first + i);
      for (size_t at = 0; at < text.size(); ++at) {
        if (at % 16 == 0) bits = Mix(state += kGamma);
        text[at] = "0123456789abcdef"[bits & 15];
        bits >>= 4;
      }
      builder.AppendString(text);
    }
    auto vector = std::make_shared<Vector>(*builder.Finish());
    AddNulls(pool, first, count, vector.get());
    return vector;
  }

  void AddNulls(MemoryPool& pool, int64_t first, int32_t count, Vector* vector) const {
    if (plan_.null_rate <= 0) return;
    BufferPtr validity = AllocateValidity(pool, count);
    auto* words = reinterpret_cast<uint64_t*>(validity->data());
    const int64_t num_words = WordsFor(count);
    const double rate = plan_.null_rate;
    // One draw of 64 bits serves 8 rows, 8 bits each, where a 256th is fine enough.
    const auto eighths = static_cast<uint32_t>(rate * 256 + 0.5);
    const uint64_t seed = seed_ ^ 0x6e756c6c73ull;
    for (int64_t w = 0; w < num_words; ++w) {
      uint64_t word = 0;
      for (int part = 0; part < 8; ++part) {
        uint64_t draw = Mix(seed + static_cast<uint64_t>(first + w * 64 + part * 8) * kGamma);
        for (int bit = 0; bit < 8; ++bit) {
          word |= static_cast<uint64_t>((draw & 255) >= eighths) << (part * 8 + bit);
          draw >>= 8;
        }
      }
      words[w] = word;
    }
    // Strings and lists under a NULL must be valid: they are, each row has a value.
    vector->SetValidity(std::move(validity));
  }

  const ColumnPlan plan_;
  const uint64_t seed_;
};

std::string EncodePosition(int64_t next, int64_t end, int64_t stride_seed) {
  std::string bytes(25, '\1');  // version 1
  std::memcpy(bytes.data() + 1, &next, 8);
  std::memcpy(bytes.data() + 9, &end, 8);
  std::memcpy(bytes.data() + 17, &stride_seed, 8);
  return bytes;
}

// Splits are ranges of one sequence of numbers, one a subtask at the first start.
class DatagenEnumerator : public SplitEnumerator {
 public:
  DatagenEnumerator(int splits, int64_t rows) : splits_(splits), rows_(rows) {}
  Result<std::vector<Split>> Discover() override {
    std::vector<Split> found;
    if (discovered_) return found;
    discovered_ = true;
    const int64_t total = rows_ < 0 ? std::numeric_limits<int64_t>::max() / 2 : rows_;
    for (int i = 0; i < splits_; ++i) {
      const int64_t begin = total / splits_ * i + std::min<int64_t>(i, total % splits_);
      const int64_t end = total / splits_ * (i + 1) + std::min<int64_t>(i + 1, total % splits_);
      found.push_back({"range-" + std::to_string(i), EncodePosition(begin, end, i)});
    }
    return found;
  }
  std::string Snapshot() const override { return discovered_ ? "\1d" : "\1"; }
  Status Restore(const std::string& snapshot) override {
    discovered_ = snapshot == "\1d";
    return Status::Ok();
  }

 private:
  const int splits_;
  const int64_t rows_;
  bool discovered_ = false;
};

class DatagenReader : public SourceReader {
 public:
  DatagenReader(std::vector<ColumnPlan> plans, double rows_per_second)
      : rate_(rows_per_second) {
    for (size_t c = 0; c < plans.size(); ++c) {
      makers_.emplace_back(std::move(plans[c]), Mix((c + 1) * kGamma));
    }
  }
  Status Open(OperatorContext& context) override {
    context_ = &context;
    return Status::Ok();
  }
  Status AddSplits(const std::vector<Split>& splits) override {
    for (const Split& split : splits) {
      if (split.position.size() != 25 || split.position[0] != 1) {
        return Status::User("datagen: position of a split is not understood: " + split.id);
      }
      Range range{split.id, 0, 0, 0};
      std::memcpy(&range.next, split.position.data() + 1, 8);
      std::memcpy(&range.end, split.position.data() + 9, 8);
      std::memcpy(&range.seed, split.position.data() + 17, 8);
      ranges_.push_back(range);
    }
    return Status::Ok();
  }
  void NoMoreSplits() override { no_more_ = true; }

  Result<Progress> Poll(ReadOutput* out) override {
    const size_t count = ranges_.size();
    size_t at = 0;
    for (; at < count; ++at) {
      const size_t index = (turn_ + at) % count;
      if (!ranges_[index].finished) {
        turn_ = index;
        break;
      }
    }
    if (at == count) return no_more_ ? Progress::kFinished : Progress::kBlocked;
    Range& range = ranges_[turn_];
    auto rows = static_cast<int32_t>(
        std::min<int64_t>(context_->settings().batch_rows, range.end - range.next));
    if (rate_ > 0) {
      const int64_t now = context_->clock().MonotonicNanos();
      if (started_nanos_ == 0) started_nanos_ = now;
      const double allowed = static_cast<double>(now - started_nanos_) * 1e-9 * rate_ + 1;
      const auto left = static_cast<int64_t>(allowed) - emitted_;
      if (left <= 0) {
        context_->SetProcessingTimer(context_->now_ms() + 10);
        return Progress::kBlocked;
      }
      rows = static_cast<int32_t>(std::min<int64_t>(rows, left));
    }
    if (rows > 0) {
      std::vector<VectorPtr> columns;
      columns.reserve(makers_.size());
      for (ColumnMaker& maker : makers_) {
        columns.push_back(maker.Make(context_->pool(), range.next, rows, context_->now_ms()));
      }
      out->batch = std::make_shared<Batch>(std::move(columns), rows);
      range.next += rows;
      emitted_ += rows;
    }
    out->split = static_cast<int32_t>(turn_);
    if (range.next == range.end) {
      range.finished = true;
      out->split_finished = true;
    }
    ++turn_;
    return Progress::kMore;
  }

  Result<std::vector<Split>> Snapshot() override {
    std::vector<Split> splits;
    for (const Range& range : ranges_) {
      if (!range.finished) splits.push_back({range.id, EncodePosition(range.next, range.end, range.seed)});
    }
    return splits;
  }

 private:
  struct Range {
    std::string id;
    int64_t next, end, seed;
    bool finished = false;
  };
  std::vector<ColumnMaker> makers_;
  const double rate_;  // rows a second of this reader; 0: no limit
  OperatorContext* context_ = nullptr;
  std::vector<Range> ranges_;
  size_t turn_ = 0;
  bool no_more_ = false;
  int64_t started_nanos_ = 0;
  int64_t emitted_ = 0;
};

class DatagenSource : public Source {
 public:
  DatagenSource(std::vector<ColumnPlan> plans, int64_t rows, double rate, int parallelism)
      : plans_(std::move(plans)), rows_(rows), rate_(rate), parallelism_(parallelism) {}
  Result<std::unique_ptr<SplitEnumerator>> MakeEnumerator() override {
    return std::make_unique<DatagenEnumerator>(parallelism_, rows_);
  }
  Result<std::unique_ptr<SourceReader>> MakeReader() override {
    return std::make_unique<DatagenReader>(plans_, rate_ / parallelism_);
  }
  bool bounded() const override { return rows_ >= 0; }

 private:
  const std::vector<ColumnPlan> plans_;
  const int64_t rows_;
  const double rate_;
  const int parallelism_;
};

// Numbers in options: whole for whole types, else the unscaled value of a DECIMAL.
Result<int64_t> NumberOf(const std::string& name, const std::string& text) {
  char* end = nullptr;
  const int64_t number = std::strtoll(text.c_str(), &end, 10);
  if (end == text.c_str() || *end != '\0') {
    return Status::User("datagen: 'fields." + name + "' must be a whole number: " + text);
  }
  return number;
}

Result<ColumnPlan> PlanColumn(const Field& field, std::map<std::string, std::string>* options,
                              int64_t* sequence_rows) {
  ColumnPlan plan;
  plan.type = field.type;
  const auto take = [&](const char* key) -> std::optional<std::string> {
    auto found = options->find(field.name + "." + key);
    if (found == options->end()) return std::nullopt;
    std::string value = found->second;
    options->erase(found);
    return value;
  };
  const std::string kind = take("kind").value_or("random");
  if (kind != "random" && kind != "sequence") {
    return Status::User("datagen: 'fields." + field.name + ".kind' must be random or sequence: " + kind);
  }
  plan.sequence = kind == "sequence";
  int64_t least = 0, most = 0;
  switch (field.type.kind()) {
    case TypeKind::kTinyInt: least = INT8_MIN, most = INT8_MAX; break;
    case TypeKind::kSmallInt: least = INT16_MIN, most = INT16_MAX; break;
    case TypeKind::kInt: least = INT32_MIN, most = INT32_MAX; break;
    case TypeKind::kBigInt: least = INT64_MIN, most = INT64_MAX; break;
    case TypeKind::kIntervalYearMonth: least = 0, most = 120000; break;
    case TypeKind::kIntervalDayTime: least = 0, most = INT64_MAX; break;
    case TypeKind::kDate: least = 0, most = 20000; break;
    case TypeKind::kTime: least = 0, most = 86'399'999; break;
    case TypeKind::kDecimal: {
      most = 9;
      for (int i = 1; i < std::min(field.type.precision(), 18); ++i) most = most * 10 + 9;
      least = -most;
      break;
    }
    case TypeKind::kFloat:
    case TypeKind::kDouble:
    case TypeKind::kBoolean:
    case TypeKind::kChar:
    case TypeKind::kVarChar:
    case TypeKind::kBinary:
    case TypeKind::kVarBinary:
    case TypeKind::kTimestamp:
    case TypeKind::kTimestampLtz: break;
    default:
      return Status::User("datagen: type of column '" + field.name +
                          "' can't be generated: " + field.type.ToString());
  }
  if (plan.sequence) {
    const auto start = take("start");
    const auto end = take("end");
    if (!start.has_value() || !end.has_value()) {
      return Status::User("datagen: a sequence needs 'fields." + field.name + ".start' and '.end'");
    }
    ASSIGN_OR_RETURN(plan.minimum, NumberOf(field.name + ".start", *start));
    ASSIGN_OR_RETURN(const int64_t last, NumberOf(field.name + ".end", *end));
    const int64_t rows = last - plan.minimum + 1;
    *sequence_rows = *sequence_rows < 0 ? rows : std::min(*sequence_rows, rows);
  }
  const auto minimum = take("min");
  const auto maximum = take("max");
  if (field.type.kind() == TypeKind::kFloat || field.type.kind() == TypeKind::kDouble) {
    const bool is_float = field.type.kind() == TypeKind::kFloat;
    plan.float_minimum = minimum ? std::stod(*minimum) : 0;
    plan.float_maximum = maximum   ? std::stod(*maximum)
                         : is_float ? double{std::numeric_limits<float>::max()}
                                    : std::numeric_limits<double>::max();
  } else if (!plan.sequence) {
    if (minimum) {
      ASSIGN_OR_RETURN(least, NumberOf(field.name + ".min", *minimum));
    }
    if (maximum) {
      ASSIGN_OR_RETURN(most, NumberOf(field.name + ".max", *maximum));
    }
    if (most < least) return Status::User("datagen: maximum below minimum for column '" + field.name + "'");
    plan.minimum = least;
    plan.span = static_cast<uint64_t>(most) - static_cast<uint64_t>(least);
  }
  plan.length = field.type.kind() == TypeKind::kChar || field.type.kind() == TypeKind::kBinary
                    ? field.type.length()
                    : std::min(100, field.type.length());
  if (const auto length = take("length")) {
    ASSIGN_OR_RETURN(const int64_t number, NumberOf(field.name + ".length", *length));
    plan.length = static_cast<int32_t>(number);
  }
  take("var-len");
  if (const auto rate = take("null-rate")) plan.null_rate = std::stod(*rate);
  if (const auto past = take("max-past")) {
    ASSIGN_OR_RETURN(plan.max_past_ms, ParseDurationMs(*past));
  }
  return plan;
}

Result<std::unique_ptr<Source>> MakeSource(const TableSpec& table) {
  const std::string own[] = {"connector"};
  ASSIGN_OR_RETURN(Options options, Options::Parse(kOptions, table.options, own));
  std::map<std::string, std::string> fields = options.Map("fields.");
  int64_t rows = options.Has("number-of-rows") ? options.Int("number-of-rows") : -1;
  int64_t sequence_rows = -1;
  std::vector<ColumnPlan> all;
  for (const Field& field : table.physical) {
    ASSIGN_OR_RETURN(ColumnPlan plan, PlanColumn(field, &fields, &sequence_rows));
    all.push_back(std::move(plan));
  }
  if (!fields.empty()) {
    return Status::User("datagen: option of a column that the table does not have, or unknown: 'fields." +
                        fields.begin()->first + "'");
  }
  if (sequence_rows >= 0) rows = rows < 0 ? sequence_rows : std::min(rows, sequence_rows);
  std::vector<ColumnPlan> plans;
  for (size_t c = 0; c < table.produced.size(); ++c) {
    const int from = table.projection.empty() ? static_cast<int>(c) : table.projection[c][0];
    plans.push_back(all[static_cast<size_t>(from)]);
  }
  const auto rate = static_cast<double>(std::max<int64_t>(0, options.Int("rows-per-second")));
  return std::make_unique<DatagenSource>(std::move(plans), rows, rate, table.parallelism);
}

}  // namespace

ConnectorInfo MakeDatagenConnector() {
  ConnectorInfo info;
  info.name = "datagen";
  info.options = kOptions;
  info.abilities = {"projection"};
  info.make_source = MakeSource;
  return info;
}

}  // namespace millrace::connectors
