#include <algorithm>
#include <cstring>

#include "operators/expression/rex.h"
#include "operators/functions/function_table.h"
#include "runtime/types/text/decimal.h"
#include "runtime/types/text/value_text.h"

// SEARCH(value, Sarg[...]): IN lists, BETWEEN and unions of ranges. The planner gives the ranges in
// ascending order without overlap, so a binary search finds the one that may hold a value.

namespace millrace::operators {
namespace {

using runtime::LogicalType;
using runtime::PhysicalType;
using runtime::Result;
using runtime::Status;
using runtime::StringRef;
using runtime::TypeKind;
using runtime::Vector;
using runtime::VectorPtr;

// A bound, or nothing where a range is open.
template <typename T>
struct Range {
  T lower{};
  T upper{};
  bool has_lower = false;
  bool has_upper = false;
  bool lower_closed = false;
  bool upper_closed = false;
};

template <typename T>
bool LessThan(const T& a, const T& b) {
  if constexpr (std::is_same_v<T, StringRef>)
    return a.Compare(b) < 0;
  else
    return a < b;
}

template <typename T>
class SearchKernel final : public Kernel {
 public:
  // The bounds lie in vectors as the values do.
  explicit SearchKernel(std::shared_ptr<const SearchRanges> search) : search_(std::move(search)) {
    for (const SearchRange& range : search_->ranges) {
      Range<T> bounds;
      bounds.has_lower = range.lower != nullptr;
      bounds.has_upper = range.upper != nullptr;
      bounds.lower_closed = range.lower_closed;
      bounds.upper_closed = range.upper_closed;
      if (bounds.has_lower) bounds.lower = range.lower->At<T>(0);
      if (bounds.has_upper) bounds.upper = range.upper->At<T>(0);
      points_only_ = points_only_ && bounds.has_lower && bounds.has_upper && bounds.lower_closed &&
                     bounds.upper_closed && !LessThan(bounds.lower, bounds.upper);
      ranges_.push_back(bounds);
    }
    std::sort(ranges_.begin(), ranges_.end(), [](const Range<T>& a, const Range<T>& b) {
      if (!a.has_lower || !b.has_lower) return !a.has_lower && b.has_lower;
      return LessThan(a.lower, b.lower);
    });
  }
  bool accepts_dictionary() const override { return true; }

  Result<VectorPtr> Evaluate(const EvaluationContext& context, const RowSet& rows,
                             std::span<const VectorPtr> arguments) override {
    const Vector& value = *arguments[0];
    auto vector = MakeFlat(*context.pool, PhysicalType::kBool, RowSet::All(rows.length),
                           runtime::BufferPtr());
    uint8_t* to = MutableValues<uint8_t>(*vector);
    const bool if_null = search_->null_as == SearchRanges::NullAs::kTrue;
    std::memset(to, if_null, static_cast<size_t>(rows.length));
    if (value.encoding() == runtime::Encoding::kConstant) {
      if (!value.IsNull(0)) {
        std::memset(to, Holds(value.At<T>(0)), static_cast<size_t>(rows.length));
      } else if (search_->null_as == SearchRanges::NullAs::kUnknown) {
        return runtime::MakeNulls(*context.pool, LogicalType(TypeKind::kBoolean), rows.length);
      }
      return VectorPtr(std::move(vector));
    }
    ForEachRow(rows, value.validity(), [&](int32_t row) { to[row] = Holds(value.At<T>(row)); });
    if (search_->null_as == SearchRanges::NullAs::kUnknown && value.may_have_nulls()) {
      vector->SetValidity(value.validity_buffer());
    }
    return VectorPtr(std::move(vector));
  }

 private:
  static bool Inside(const Range<T>& range, const T& value) {
    if (range.has_lower &&
        (LessThan(value, range.lower) || (!range.lower_closed && !LessThan(range.lower, value)))) {
      return false;
    }
    return !range.has_upper || LessThan(value, range.upper) ||
           (range.upper_closed && !LessThan(range.upper, value));
  }
  bool Holds(const T& value) const {
    if (points_only_ && ranges_.size() <= 4) {
      bool found = false;
      for (const Range<T>& range : ranges_) found |= value == range.lower;
      return found;
    }
    // The last range that starts at or before the value.
    auto after = std::partition_point(ranges_.begin(), ranges_.end(), [&](const Range<T>& range) {
      return !range.has_lower || !LessThan(value, range.lower);
    });
    if (after == ranges_.begin()) return false;
    --after;
    // A range that is open at the value may be followed by none: look one back as well.
    return Inside(*after, value) || (after != ranges_.begin() && Inside(*std::prev(after), value));
  }

  std::shared_ptr<const SearchRanges> search_;
  std::vector<Range<T>> ranges_;
  bool points_only_ = true;
};

std::unique_ptr<Kernel> MakeSearch(PhysicalType type, std::shared_ptr<const SearchRanges> ranges) {
  switch (type) {
    case PhysicalType::kBool:
      return std::make_unique<SearchKernel<uint8_t>>(std::move(ranges));
    case PhysicalType::kInt8:
      return std::make_unique<SearchKernel<int8_t>>(std::move(ranges));
    case PhysicalType::kInt16:
      return std::make_unique<SearchKernel<int16_t>>(std::move(ranges));
    case PhysicalType::kInt32:
      return std::make_unique<SearchKernel<int32_t>>(std::move(ranges));
    case PhysicalType::kInt64:
      return std::make_unique<SearchKernel<int64_t>>(std::move(ranges));
    case PhysicalType::kInt128:
      return std::make_unique<SearchKernel<runtime::Int128>>(std::move(ranges));
    case PhysicalType::kFloat:
      return std::make_unique<SearchKernel<float>>(std::move(ranges));
    case PhysicalType::kDouble:
      return std::make_unique<SearchKernel<double>>(std::move(ranges));
    case PhysicalType::kString:
      return std::make_unique<SearchKernel<StringRef>>(std::move(ranges));
    case PhysicalType::kTimestamp:
      return std::make_unique<SearchKernel<runtime::TimestampNanos>>(std::move(ranges));
    default:
      return nullptr;
  }
}

// A type in which values and bounds can both be compared.
LogicalType CommonType(const LogicalType& value, const LogicalType& bounds) {
  if (value.kind() == TypeKind::kDecimal && bounds.kind() == TypeKind::kDecimal) {
    const int scale = std::max(value.scale(), bounds.scale());
    const int digits =
        std::max(value.precision() - value.scale(), bounds.precision() - bounds.scale());
    return LogicalType::Decimal(std::min(digits + scale, runtime::kMaxDecimalPrecision), scale);
  }
  if (value.is_timestamp() && value.kind() == bounds.kind()) {
    return value.precision() >= bounds.precision() ? value : bounds;
  }
  if (value.is_integer() && bounds.is_integer()) {
    return LogicalType(std::max(value.kind(), bounds.kind()));
  }
  return bounds;
}

Status CastBound(const LogicalType& from, const LogicalType& to, VectorPtr* bound) {
  if (*bound == nullptr || from.SameExceptNull(to)) return Status::Ok();
  // By way of the text: once a plan, and exact for all that is compared.
  runtime::TimeZone utc;
  std::string text;
  runtime::AppendCastText(from, **bound, 0, &utc, &text);
  runtime::VectorBuilder builder(runtime::ProcessPool(), to, 1);
  RETURN_IF_ERROR(runtime::ParseValue(text, &utc, &builder));
  *bound = builder.Finish();
  return Status::Ok();
}

Result<BoundCall> BindSearch(const CallShape& call) {
  BoundCall bound;
  if (call.operands.size() != 2 || call.operands[1].ranges == nullptr) return bound;
  std::shared_ptr<const SearchRanges> ranges = call.operands[1].ranges;
  const LogicalType& given = call.operands[0].type;
  LogicalType common = ranges->type;
  // Strings of any length are compared as they are.
  if (!(given.is_string() && common.is_string())) {
    common = CommonType(given, ranges->type).AsNullable();
    auto adapted = std::make_shared<SearchRanges>(*ranges);
    for (SearchRange& range : adapted->ranges) {
      RETURN_IF_ERROR(CastBound(ranges->type, common, &range.lower));
      RETURN_IF_ERROR(CastBound(ranges->type, common, &range.upper));
    }
    adapted->type = common;
    ranges = std::move(adapted);
    bound.operand_types = {common, LogicalType()};
  }
  bound.kernel = MakeSearch(common.physical(), ranges);
  bound.strict = false;
  bound.costly = common.physical() == PhysicalType::kString;
  return bound;
}

constexpr FunctionEntry kEntries[] = {
    {"SEARCH", "(T, ranges) -> BOOLEAN", BindSearch},
};

}  // namespace

std::span<const FunctionEntry> SearchFunctions() { return kEntries; }

}  // namespace millrace::operators
