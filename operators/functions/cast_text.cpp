#include <limits>
#include <type_traits>

#include "operators/functions/cast.h"
#include "operators/functions/scalar_function.h"
#include "runtime/types/text/date_time_text.h"
#include "runtime/types/text/decimal.h"
#include "runtime/types/text/number_text.h"
#include "runtime/types/text/utf8.h"
#include "runtime/types/text/value_text.h"

// CAST of every type to strings, and of strings to numbers, BOOLEAN and binary.

namespace millrace::operators {
namespace {

using runtime::LogicalType;
using runtime::NumberParse;
using runtime::PhysicalType;
using runtime::Result;
using runtime::Status;
using runtime::TypeKind;
using runtime::VectorPtr;

// Cuts to the length of CHAR or VARCHAR, and pads CHAR.
void FitLength(const LogicalType& type, std::string* text) {
  if (type.length() == LogicalType::kMaxLength) return;
  const size_t end = runtime::OffsetOfCodePoint(*text, type.length());
  if (end < text->size()) {
    text->resize(end);
    return;
  }
  if (type.kind() != TypeKind::kChar) return;
  const int32_t missing = type.length() - runtime::CountCodePoints(*text);
  if (missing > 0) text->append(static_cast<size_t>(missing), ' ');
}

// Any type to CHAR or VARCHAR.
class ToText final : public Kernel {
 public:
  ToText(LogicalType from, LogicalType to, runtime::TimeZone zone)
      : from_(std::move(from)), to_(std::move(to)), zone_(std::move(zone)) {}
  bool accepts_dictionary() const override { return true; }

  Result<VectorPtr> Evaluate(const EvaluationContext& context, const RowSet& rows,
                             std::span<const VectorPtr> arguments) override {
    // Rows come in ascending order: appended in turn, those in between empty.
    runtime::VectorBuilder builder(*context.pool, to_, rows.length);
    runtime::BufferPtr validity = CombineValidity(*context.pool, arguments, rows.length);
    ForEachRow(rows, validity ? Words(validity) : nullptr, [&](int32_t row) {
      while (builder.length() < row) builder.Append(runtime::StringRef());
      text_.clear();
      runtime::AppendCastText(from_, *arguments[0], row, &zone_, &text_);
      FitLength(to_, &text_);
      builder.AppendString(text_);
    });
    while (builder.length() < rows.length) builder.Append(runtime::StringRef());
    if (validity) builder.MarkNulls(0, Words(validity), rows.length);
    return builder.Finish();
  }

 private:
  LogicalType from_;
  LogicalType to_;
  runtime::TimeZone zone_;
  std::string text_;
};

// CHAR and VARCHAR to another length.
struct TextToText {
  LogicalType type;
  Status prepare(const CallShape& call) {
    type = call.type;
    return Status::Ok();
  }
  void call(StringResult& result, std::string_view text) {
    const std::string_view cut = runtime::TakeCodePoints(text, type.length());
    const int32_t missing =
        type.kind() == TypeKind::kChar ? type.length() - runtime::CountCodePoints(cut) : 0;
    if (missing <= 0) {
      result.Refer(cut);
      return;
    }
    result.Writer().append(cut).append(static_cast<size_t>(missing), ' ');
  }
};

// To BINARY and VARBINARY: cut, BINARY padded by zero bytes.
struct ToBinary {
  LogicalType type;
  Status prepare(const CallShape& call) {
    type = call.type;
    return Status::Ok();
  }
  void Fit(StringResult& result, std::string_view bytes) {
    const auto length = static_cast<size_t>(type.length());
    if (bytes.size() >= length || type.kind() != TypeKind::kBinary) {
      result.Refer(bytes.substr(0, length));
      return;
    }
    result.Writer().append(bytes).append(length - bytes.size(), '\0');
  }
};
struct TextToBinary : ToBinary {
  void call(StringResult& result, std::string_view text) { Fit(result, text); }
};
struct BinaryToBinary : ToBinary {
  void call(StringResult& result, Binary value) { Fit(result, value.bytes); }
};

template <bool kTry, typename T>
struct TextToInteger {
  Outcome call(T& result, std::string_view text) {
    int64_t value = 0;
    if (Parse(text, &value) != NumberParse::kOk) return kTry ? Outcome::kNull : Outcome::kError;
    result = static_cast<T>(value);
    return Outcome::kValue;
  }
  std::string explain(std::string_view text) const {
    int64_t value = 0;
    return "For input string: '" + std::string(runtime::TrimSpaces(text)) + "'. " +
           runtime::Words(Parse(text, &value));
  }
  static NumberParse Parse(std::string_view text, int64_t* value) {
    return runtime::ParseInteger(runtime::TrimSpaces(text), std::numeric_limits<T>::min(),
                                 std::numeric_limits<T>::max(), value);
  }
};

template <bool kTry, typename T>
struct TextToFloating {
  Outcome call(T& result, std::string_view text) {
    bool parsed = false;
    if constexpr (std::is_same_v<T, float>)
      parsed = runtime::ParseJavaFloat(text, &result);
    else
      parsed = runtime::ParseJavaDouble(text, &result);
    return parsed ? Outcome::kValue : kTry ? Outcome::kNull : Outcome::kError;
  }
  std::string explain(std::string_view text) const {
    text = runtime::TrimJava(text);
    return text.empty() ? "empty String" : "For input string: \"" + std::string(text) + "\"";
  }
};

template <bool kTry>
struct TextToBoolean {
  Outcome call(bool& result, std::string_view text) {
    return runtime::ParseBoolean(text, &result) ? Outcome::kValue
           : kTry                               ? Outcome::kNull
                                                : Outcome::kError;
  }
  std::string explain(std::string_view text) const {
    return "Cannot parse '" + std::string(text) + "' as BOOLEAN.";
  }
};

template <bool kTry>
struct TextToDecimal {
  int precision = 0;
  int scale = 0;
  Status prepare(const CallShape& call) {
    precision = call.type.precision();
    scale = call.type.scale();
    return Status::Ok();
  }
  Outcome call(Decimal& result, std::string_view text) {
    const auto parsed =
        runtime::ParseDecimal(runtime::TrimSpaces(text), precision, scale, &result.unscaled);
    return parsed == runtime::DecimalParse::kOk ? Outcome::kValue
           : kTry                               ? Outcome::kNull
                                                : Outcome::kError;
  }
  std::string explain(std::string_view text) const {
    return "For input string: '" + std::string(runtime::TrimSpaces(text)) + "'. Overflow.";
  }
};

template <bool kTry>
Result<BoundCall> FromText(const CallShape& call) {
  switch (call.type.kind()) {
    case TypeKind::kBoolean:
      return BindScalar<TextToBoolean<kTry>>(call);
    case TypeKind::kTinyInt:
      return BindScalar<TextToInteger<kTry, int8_t>>(call);
    case TypeKind::kSmallInt:
      return BindScalar<TextToInteger<kTry, int16_t>>(call);
    case TypeKind::kInt:
      return BindScalar<TextToInteger<kTry, int32_t>>(call);
    case TypeKind::kBigInt:
      return BindScalar<TextToInteger<kTry, int64_t>>(call);
    case TypeKind::kFloat:
      return BindScalar<TextToFloating<kTry, float>>(call);
    case TypeKind::kDouble:
      return BindScalar<TextToFloating<kTry, double>>(call);
    case TypeKind::kDecimal:
      return BindScalar<TextToDecimal<kTry>>(call);
    default:
      return BoundCall();
  }
}

}  // namespace

Result<BoundCall> BindTextCast(const CallShape& call, bool try_cast) {
  const LogicalType& from = call.operands[0].type;
  const LogicalType& to = call.type;
  BoundCall bound;
  if (to.is_binary()) {
    if (from.is_string()) return BindScalar<TextToBinary>(call);
    if (from.is_binary()) return BindScalar<BinaryToBinary>(call);
    return bound;
  }
  if (to.is_string()) {
    if (from.is_string()) return BindScalar<TextToText>(call);
    ASSIGN_OR_RETURN(runtime::TimeZone zone, runtime::TimeZone::Find(call.settings->time_zone));
    bound.kernel = std::make_unique<ToText>(from, to, std::move(zone));
    bound.costly = true;
    return bound;
  }
  if (from.is_string()) return try_cast ? FromText<true>(call) : FromText<false>(call);
  return bound;
}

}  // namespace millrace::operators
