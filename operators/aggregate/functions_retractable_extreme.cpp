#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "operators/aggregate/function_families.h"
#include "operators/aggregate/function_kernels.h"

namespace millrace::operators {
namespace {

using runtime::LogicalType;
using runtime::PhysicalType;
using runtime::RowLayout;
using runtime::RowType;
using runtime::TimestampNanos;

// Orders values as Java's compareTo: -0.0 before 0.0, NaN last.
template <typename T>
bool Before(const T& a, const T& b) {
  if constexpr (std::is_floating_point_v<T>) {
    if (a < b) return true;
    if (a > b) return false;
    if (std::isnan(a) || std::isnan(b)) return !std::isnan(a) && std::isnan(b);
    return std::signbit(a) && !std::signbit(b);
  } else if constexpr (std::is_same_v<T, StringRef>) {
    return a.Compare(b) < 0;
  } else {
    return a < b;
  }
}

// How often each value is there, ascending; negative when more was taken back than came.
template <typename T>
struct Counted {
  T value;
  int64_t count;
};

// Values as bytes: count and value, one after the other; strings with their length before them.
template <typename T>
void Decode(const StringRef& bytes, std::vector<Counted<T>>* to) {
  to->clear();
  const char* at = bytes.data();
  const char* const end = at + bytes.size();
  while (at < end) {
    Counted<T>& entry = to->emplace_back();
    std::memcpy(&entry.count, at, 8);
    at += 8;
    if constexpr (std::is_same_v<T, StringRef>) {
      uint32_t size;
      std::memcpy(&size, at, 4);
      entry.value = StringRef(at + 4, size);
      at += 4 + size;
    } else {
      std::memcpy(&entry.value, at, sizeof(T));
      at += sizeof(T);
    }
  }
}

template <typename T>
void Encode(const std::vector<Counted<T>>& from, std::string* to) {
  to->clear();
  for (const Counted<T>& entry : from) {
    to->append(reinterpret_cast<const char*>(&entry.count), 8);
    if constexpr (std::is_same_v<T, StringRef>) {
      const uint32_t size = entry.value.size();
      to->append(reinterpret_cast<const char*>(&size), 4);
      to->append(entry.value.data(), size);
    } else {
      to->append(reinterpret_cast<const char*>(&entry.value), sizeof(T));
    }
  }
}

// MIN or MAX with retraction: the state row holds all values of the group with their counts,
// sorted. A change costs time in the number of different values of the group, so this is for groups
// of some thousands at most; an ordered state takes its place for larger ones.
template <typename T, bool kMax>
class RetractableExtreme {
 public:
  using Input = T;
  using Output = T;
  using Partial = StringRef;
  static constexpr bool kNullable = true;

  RowType fields() const { return {{"values", LogicalType::VarBinary()}}; }
  void Bind(const RowLayout& layout, int first) { values_ = FieldSlot(layout, first); }
  void Start(uint8_t* row, StateArena* arena) const {
    if (arena != nullptr) arena->Free(values_.Load<StringRef>(row));
    values_.Store(row, StringRef());
  }
  void Add(uint8_t* row, const T& value, StateArena* arena) const { Count(row, value, 1, arena); }
  void Subtract(uint8_t* row, const T& value, StateArena* arena) const {
    Count(row, value, -1, arena);
  }
  // A long string of the result points into the row's bytes.
  bool Result(const uint8_t* row, T* result) const {
    std::vector<Counted<T>>& entries = Entries(0);
    Decode(*SlotOf(row), &entries);
    *result = T();
    for (size_t i = 0; i < entries.size(); ++i) {
      const Counted<T>& entry = entries[kMax ? entries.size() - 1 - i : i];
      if (entry.count <= 0) continue;
      *result = entry.value;
      return true;
    }
    return false;
  }
  Partial FromRow(const uint8_t* row) const { return *SlotOf(row); }
  Partial FromColumns(const PartialColumns& partials, int32_t i) const {
    StringRef bytes;
    PartialAt(partials, 0, i, &bytes);
    return bytes;
  }
  void Merge(uint8_t* row, const Partial& other, StateArena* arena) const {
    std::vector<Counted<T>>& others = Entries(1);
    Decode(other, &others);
    for (const Counted<T>& entry : others) Count(row, entry.value, entry.count, arena);
  }

 private:
  static std::vector<Counted<T>>& Entries(int which) {
    thread_local std::vector<Counted<T>> entries[2];
    return entries[which];
  }
  const StringRef* SlotOf(const uint8_t* row) const {
    return reinterpret_cast<const StringRef*>(row + values_.offset);
  }

  void Count(uint8_t* row, const T& value, int64_t change, StateArena* arena) const {
    std::vector<Counted<T>>& entries = Entries(0);
    Decode(*SlotOf(row), &entries);
    const auto at = std::lower_bound(
        entries.begin(), entries.end(), value,
        [](const Counted<T>& entry, const T& wanted) { return Before(entry.value, wanted); });
    if (at == entries.end() || Before(value, at->value)) {
      entries.insert(at, {value, change});
    } else if (at->count + change == 0) {
      entries.erase(at);
    } else {
      at->count += change;
    }
    thread_local std::string bytes;
    Encode(entries, &bytes);
    StringRef slot = values_.Load<StringRef>(row);
    arena->Set(&slot, StringRef(bytes.data(), static_cast<uint32_t>(bytes.size())));
    values_.Store(row, slot);
  }

  FieldSlot values_;
};

template <typename T>
std::unique_ptr<AggregateFunction> MakeOf(const AggregateCall& call) {
  if (call.kind == AggregateKind::kMax) return MakeFunction(RetractableExtreme<T, true>());
  return MakeFunction(RetractableExtreme<T, false>());
}

}  // namespace

std::unique_ptr<AggregateFunction> MakeRetractableExtreme(const AggregateCall& call,
                                                          const LogicalType& argument) {
  if (call.type.physical() != argument.physical()) return nullptr;
  switch (argument.physical()) {
    case PhysicalType::kBool:
      return MakeOf<uint8_t>(call);
    case PhysicalType::kInt8:
      return MakeOf<int8_t>(call);
    case PhysicalType::kInt16:
      return MakeOf<int16_t>(call);
    case PhysicalType::kInt32:
      return MakeOf<int32_t>(call);
    case PhysicalType::kInt64:
      return MakeOf<int64_t>(call);
    case PhysicalType::kInt128:
      return MakeOf<Int128>(call);
    case PhysicalType::kFloat:
      return MakeOf<float>(call);
    case PhysicalType::kDouble:
      return MakeOf<double>(call);
    case PhysicalType::kTimestamp:
      return MakeOf<TimestampNanos>(call);
    case PhysicalType::kString:
      return argument.is_string() ? MakeOf<StringRef>(call) : nullptr;
    default:
      return nullptr;
  }
}

}  // namespace millrace::operators
