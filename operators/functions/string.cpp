#include <algorithm>

#include "operators/functions/function_table.h"
#include "operators/functions/letter_case.h"
#include "operators/functions/scalar_function.h"
#include "runtime/types/text/utf8.h"

// Functions on strings. Positions count code points from 1, as Flink's BinaryStringData.

namespace millrace::operators {
namespace {

using runtime::CountCodePoints;
using runtime::LogicalType;
using runtime::OffsetOfCodePoint;
using runtime::Result;
using runtime::Status;
using runtime::StringRef;
using runtime::TypeKind;
using runtime::Utf8Width;
using runtime::VectorPtr;

// A letter may become two, so a result may be longer than its type says, as Flink's are.
struct Upper {
  std::string scratch;
  void call(StringResult& result, std::string_view text) {
    scratch.clear();
    AppendUpper(text, &scratch);
    result.Assign(scratch);
  }
};
struct Lower {
  std::string scratch;
  void call(StringResult& result, std::string_view text) {
    scratch.clear();
    AppendLower(text, &scratch);
    result.Assign(scratch);
  }
};

// The code points of `set` as bytes of one width each are looked up; sets are short.
bool Contains(std::string_view set, std::string_view code_point) {
  for (size_t i = 0; i < set.size(); i += Utf8Width(set[i])) {
    if (set.substr(i, Utf8Width(set[i])) == code_point) return true;
  }
  return false;
}
std::string_view TrimLeading(std::string_view text, std::string_view set) {
  while (!text.empty()) {
    const size_t width = std::min<size_t>(Utf8Width(text[0]), text.size());
    if (!Contains(set, text.substr(0, width))) break;
    text.remove_prefix(width);
  }
  return text;
}
std::string_view TrimTrailing(std::string_view text, std::string_view set) {
  while (!text.empty()) {
    size_t start = text.size() - 1;
    while (start > 0 && (static_cast<unsigned char>(text[start]) & 0xC0) == 0x80) --start;
    if (!Contains(set, text.substr(start))) break;
    text = text.substr(0, start);
  }
  return text;
}

enum class Side : uint8_t { kBoth, kLeading, kTrailing };
std::string_view TrimSide(Side side, std::string_view text, std::string_view set) {
  if (side != Side::kTrailing) text = TrimLeading(text, set);
  if (side != Side::kLeading) text = TrimTrailing(text, set);
  return text;
}

// TRIM(side, characters, text).
struct Trim {
  Side side = Side::kBoth;
  Status prepare(const CallShape& call) {
    const std::string& symbol = call.operands[0].symbol;
    side = symbol == "LEADING"    ? Side::kLeading
           : symbol == "TRAILING" ? Side::kTrailing
                                  : Side::kBoth;
    return Status::Ok();
  }
  void call(StringResult& result, std::string_view, std::string_view set, std::string_view text) {
    result.Refer(TrimSide(side, text, set));
  }
};
template <Side kSide>
struct TrimBlanks {
  void call(StringResult& result, std::string_view text) {
    result.Refer(TrimSide(kSide, text, " "));
  }
};
template <Side kSide>
struct TrimSet {
  void call(StringResult& result, std::string_view text, std::string_view set) {
    result.Refer(TrimSide(kSide, text, set));
  }
};

struct SubstringLength {
  bool call(StringResult& result, std::string_view text, int32_t position, int32_t length) {
    if (length < 0) return false;
    int64_t start = position > 0 ? int64_t{position} - 1 : 0;
    if (position < 0) {
      start = int64_t{CountCodePoints(text)} + position;
      if (start < 0) {
        result.Refer({});
        return true;
      }
    }
    const size_t from = OffsetOfCodePoint(text, start);
    result.Refer(runtime::TakeCodePoints(text.substr(from), length));
    return true;
  }
};
struct Substring {
  void call(StringResult& result, std::string_view text, int32_t position) {
    SubstringLength().call(result, text, position, LogicalType::kMaxLength);
  }
};
struct Left {
  void call(StringResult& result, std::string_view text, int32_t count) {
    result.Refer(runtime::TakeCodePoints(text, std::max(count, 0)));
  }
};
struct Right {
  void call(StringResult& result, std::string_view text, int32_t count) {
    if (count <= 0) {
      result.Refer({});
      return;
    }
    const int64_t skip = int64_t{CountCodePoints(text)} - count;
    result.Refer(text.substr(OffsetOfCodePoint(text, std::max<int64_t>(skip, 0))));
  }
};

// 1 + the code points before the first `part` at or behind code point `from`; 0: none.
int32_t Find(std::string_view part, std::string_view text, int64_t from) {
  const size_t start = OffsetOfCodePoint(text, from);
  const size_t at = text.find(part, start);
  return at == std::string_view::npos ? 0 : CountCodePoints(text.substr(0, at)) + 1;
}
struct Position {
  void call(int32_t& result, std::string_view part, std::string_view text) {
    result = Find(part, text, 0);
  }
};
struct PositionFrom {
  void call(int32_t& result, std::string_view part, std::string_view text, int32_t from) {
    result = from <= 0 ? 0 : Find(part, text, from - 1);
  }
};
struct Instr {
  void call(int32_t& result, std::string_view text, std::string_view part) {
    result = Find(part, text, 0);
  }
};

struct CharLength {
  void call(int32_t& result, std::string_view text) { result = CountCodePoints(text); }
};

struct Replace {
  void call(StringResult& result, std::string_view text, std::string_view part,
            std::string_view by) {
    if (!part.empty() && text.find(part) == std::string_view::npos) {
      result.Refer(text);
      return;
    }
    std::string& to = result.Writer();
    if (part.empty()) {  // Java puts it before, between and behind all characters
      to.append(by);
      for (size_t i = 0; i < text.size();) {
        const size_t width = Utf8Width(text[i]);
        to.append(text.substr(i, width)).append(by);
        i += width;
      }
      return;
    }
    size_t at = 0;
    for (size_t next; (next = text.find(part, at)) != std::string_view::npos;
         at = next + part.size()) {
      to.append(text.substr(at, next - at)).append(by);
    }
    to.append(text.substr(at));
  }
};

struct Reverse {
  void call(StringResult& result, std::string_view text) {
    std::string& to = result.Writer();
    to.resize(text.size());
    size_t end = text.size();
    for (size_t i = 0; i < text.size();) {
      const size_t width = std::min<size_t>(Utf8Width(text[i]), text.size() - i);
      end -= width;
      std::copy_n(text.data() + i, width, to.data() + end);
      i += width;
    }
  }
};

struct Repeat {
  void call(StringResult& result, std::string_view text, int32_t times) {
    std::string& to = result.Writer();
    for (int32_t i = 0; i < times; ++i) to.append(text);
  }
};

struct InitCap {
  void call(StringResult& result, std::string_view text) {
    std::string& to = result.Writer();
    bool inside = false;
    for (char c : text) {
      const bool upper = c >= 'A' && c <= 'Z';
      const bool lower = c >= 'a' && c <= 'z';
      if (lower && !inside) c = static_cast<char>(c - 32);
      if (upper && inside) c = static_cast<char>(c + 32);
      inside = upper || lower || (c >= '0' && c <= '9');
      to.push_back(c);
    }
  }
};

// Java's length of a text: characters beyond the first 65,536 count twice.
int32_t CountUtf16(std::string_view text) {
  int32_t count = CountCodePoints(text);
  for (const char c : text) count += static_cast<unsigned char>(c) >= 0xF0 ? 1 : 0;
  return count;
}
// The first `units` of these; half a character becomes a question mark, as where Java writes it.
void AppendUtf16Prefix(std::string_view text, int32_t units, std::string* to) {
  size_t at = 0;
  while (at < text.size() && units > 0) {
    const size_t width = std::min<size_t>(Utf8Width(text[at]), text.size() - at);
    units -= width == 4 ? 2 : 1;
    if (units >= 0) {
      to->append(text.substr(at, width));
    } else {
      to->push_back('?');
    }
    at += width;
  }
}

template <bool kLeft>
struct Pad {
  bool call(StringResult& result, std::string_view text, int32_t length, std::string_view pad) {
    if (length < 0 || pad.empty()) return false;
    const int32_t count = CountUtf16(text);
    std::string& to = result.Writer();
    if (length <= count) {
      AppendUtf16Prefix(text, length, &to);
      return true;
    }
    if (!kLeft) to.append(text);
    int32_t missing = length - count;
    const int32_t each = CountUtf16(pad);
    for (; missing >= each; missing -= each) to.append(pad);
    AppendUtf16Prefix(pad, missing, &to);
    if (kLeft) to.append(text);
    return true;
  }
};

struct SplitIndex {
  bool call(StringResult& result, std::string_view text, std::string_view separator,
            int32_t index) {
    if (index < 0 || text.empty()) return false;
    if (separator.empty()) separator = " ";  // StringUtils splits at whitespace then
    for (; index > 0; --index) {
      const size_t at = text.find(separator);
      if (at == std::string_view::npos) return false;
      text.remove_prefix(at + separator.size());
    }
    result.Refer(text.substr(0, text.find(separator)));
    return true;
  }
};
struct SplitIndexCode {
  bool call(StringResult& result, std::string_view text, int32_t separator, int32_t index) {
    if (separator < 0 || separator > 255) return false;
    std::string code;
    runtime::AppendCodePoint(static_cast<uint32_t>(separator), &code);
    return SplitIndex().call(result, text, code, index);
  }
};

struct OverlayLength {
  void call(StringResult& result, std::string_view text, std::string_view by, int32_t start,
            int32_t length) {
    const int32_t count = CountCodePoints(text);
    if (start <= 0 || start > count) {
      result.Refer(text);
      return;
    }
    std::string& to = result.Writer();
    to.append(runtime::TakeCodePoints(text, start - 1)).append(by);
    const int64_t behind = int64_t{start} + length;
    if (behind <= count && length > 0) to.append(text.substr(OffsetOfCodePoint(text, behind - 1)));
  }
};
struct Overlay {
  void call(StringResult& result, std::string_view text, std::string_view by, int32_t start) {
    OverlayLength().call(result, text, by, start, CountCodePoints(by));
  }
};

struct Ascii {
  void call(int32_t& result, std::string_view text) {
    result = text.empty() ? 0 : static_cast<int8_t>(text[0]);
  }
};
struct Chr {
  void call(StringResult& result, int64_t code) {
    std::string& to = result.Writer();
    if (code >= 0) runtime::AppendCodePoint(static_cast<uint32_t>(code & 0xff), &to);
  }
};

struct StartsWith {
  void call(bool& result, std::string_view text, std::string_view start) {
    result = text.starts_with(start);
  }
};
struct EndsWith {
  void call(bool& result, std::string_view text, std::string_view end) {
    result = text.ends_with(end);
  }
};
struct StartsWithBytes {
  void call(bool& result, Binary text, Binary start) {
    result = text.bytes.starts_with(start.bytes);
  }
};
struct EndsWithBytes {
  void call(bool& result, Binary text, Binary end) { result = text.bytes.ends_with(end.bytes); }
};

// Each code point of `from` becomes the one at its place in `to`, or is dropped.
struct Translate {
  void call(StringResult& result, std::string_view text, std::string_view from,
            std::string_view by) {
    std::string& to = result.Writer();
    for (size_t i = 0; i < text.size();) {
      const std::string_view point = text.substr(i, Utf8Width(text[i]));
      i += point.size();
      size_t at = 0;
      int64_t index = 0;
      for (; at < from.size() && from.substr(at, Utf8Width(from[at])) != point; ++index) {
        at += Utf8Width(from[at]);
      }
      if (at >= from.size()) {
        to.append(point);
        continue;
      }
      const size_t start = OffsetOfCodePoint(by, index);
      if (start < by.size()) to.append(by.substr(start, Utf8Width(by[start])));
    }
  }
};

// CONCAT and || (NULL if any is), CONCAT_WS (NULLs are left out, but for the separator).
class ConcatKernel final : public Kernel {
 public:
  ConcatKernel(LogicalType type, bool with_separator)
      : type_(std::move(type)), with_separator_(with_separator) {}
  bool accepts_dictionary() const override { return true; }

  Result<VectorPtr> Evaluate(const EvaluationContext& context, const RowSet& rows,
                             std::span<const VectorPtr> arguments) override {
    runtime::VectorBuilder builder(*context.pool, type_, rows.length);
    runtime::BufferPtr validity;
    if (!with_separator_) {
      validity = CombineValidity(*context.pool, arguments, rows.length);
    } else if (arguments[0]->may_have_nulls()) {
      validity = CombineValidity(*context.pool, arguments.subspan(0, 1), rows.length);
    }
    ForEachRow(rows, validity ? Words(validity) : nullptr, [&](int32_t row) {
      while (builder.length() < row) builder.Append(StringRef());
      text_.clear();
      bool first = true;
      for (size_t i = with_separator_ ? 1 : 0; i < arguments.size(); ++i) {
        if (with_separator_) {
          if (arguments[i]->IsNull(row)) continue;
          if (!first) text_.append(arguments[0]->At<StringRef>(row).view());
          first = false;
        }
        text_.append(arguments[i]->At<StringRef>(row).view());
      }
      builder.AppendString(text_);
    });
    while (builder.length() < rows.length) builder.Append(StringRef());
    if (validity) builder.MarkNulls(0, Words(validity), rows.length);
    return builder.Finish();
  }

 private:
  LogicalType type_;
  bool with_separator_;
  std::string text_;
};

template <bool kWithSeparator>
Result<BoundCall> BindConcat(const CallShape& call) {
  BoundCall bound;
  if (call.operands.empty()) return bound;
  const bool strings = call.type.is_string();
  if (!strings && !call.type.is_binary()) return bound;
  for (const OperandShape& operand : call.operands) {
    if (strings ? !operand.type.is_string() : !operand.type.is_binary()) return bound;
  }
  if (kWithSeparator && call.operands[0].constant != nullptr &&
      call.operands[0].constant->IsNull(0)) {
    return bound;
  }
  bound.kernel = std::make_unique<ConcatKernel>(call.type, kWithSeparator);
  bound.strict = !kWithSeparator;
  bound.costly = true;
  return bound;
}

constexpr FunctionEntry kEntries[] = {
    {"UPPER", "(STRING) -> STRING", BindScalar<Upper>},
    {"LOWER", "(STRING) -> STRING", BindScalar<Lower>},
    {"TRIM", "(side, STRING, STRING) -> STRING", BindScalar<Trim>},
    {"TRIM", "(STRING) -> STRING", BindScalar<TrimBlanks<Side::kBoth>>},
    {"LTRIM", "(STRING) -> STRING", BindScalar<TrimBlanks<Side::kLeading>>},
    {"LTRIM", "(STRING, STRING) -> STRING", BindScalar<TrimSet<Side::kLeading>>},
    {"RTRIM", "(STRING) -> STRING", BindScalar<TrimBlanks<Side::kTrailing>>},
    {"RTRIM", "(STRING, STRING) -> STRING", BindScalar<TrimSet<Side::kTrailing>>},
    {"BTRIM", "(STRING) -> STRING", BindScalar<TrimBlanks<Side::kBoth>>},
    {"BTRIM", "(STRING, STRING) -> STRING", BindScalar<TrimSet<Side::kBoth>>},
    {"SUBSTRING", "(STRING, INT) -> STRING", BindScalar<Substring>},
    {"SUBSTRING", "(STRING, INT, INT) -> STRING", BindScalar<SubstringLength>},
    {"SUBSTR", "(STRING, INT) -> STRING", BindScalar<Substring>},
    {"SUBSTR", "(STRING, INT, INT) -> STRING", BindScalar<SubstringLength>},
    {"LEFT", "(STRING, INT) -> STRING", BindScalar<Left>},
    {"RIGHT", "(STRING, INT) -> STRING", BindScalar<Right>},
    {"POSITION", "(STRING, STRING) -> INT", BindScalar<Position>},
    {"INSTR", "(STRING, STRING) -> INT", BindScalar<Instr>},
    {"LOCATE", "(STRING, STRING) -> INT", BindScalar<Position>},
    {"LOCATE", "(STRING, STRING, INT) -> INT", BindScalar<PositionFrom>},
    {"CHAR_LENGTH", "(STRING) -> INT", BindScalar<CharLength>},
    {"CHARACTER_LENGTH", "(STRING) -> INT", BindScalar<CharLength>},
    {"CONCAT", "(STRING, ...) -> STRING", BindConcat<false>},
    {"||", "(STRING, STRING) -> STRING", BindConcat<false>},
    {"CONCAT_WS", "(STRING, STRING, ...) -> STRING", BindConcat<true>},
    {"REPLACE", "(STRING, STRING, STRING) -> STRING", BindScalar<Replace>},
    {"REVERSE", "(STRING) -> STRING", BindScalar<Reverse>},
    {"REPEAT", "(STRING, INT) -> STRING", BindScalar<Repeat>},
    {"INITCAP", "(STRING) -> STRING", BindScalar<InitCap>},
    {"LPAD", "(STRING, INT, STRING) -> STRING", BindScalar<Pad<true>>},
    {"RPAD", "(STRING, INT, STRING) -> STRING", BindScalar<Pad<false>>},
    {"SPLIT_INDEX", "(STRING, STRING, INT) -> STRING", BindScalar<SplitIndex>},
    {"SPLIT_INDEX", "(STRING, INT, INT) -> STRING", BindScalar<SplitIndexCode>},
    {"OVERLAY", "(STRING, STRING, INT) -> STRING", BindScalar<Overlay>},
    {"OVERLAY", "(STRING, STRING, INT, INT) -> STRING", BindScalar<OverlayLength>},
    {"ASCII", "(STRING) -> INT", BindScalar<Ascii>},
    {"CHR", "(BIGINT) -> STRING", BindScalar<Chr>},
    {"STARTSWITH", "(STRING, STRING) -> BOOLEAN", BindScalar<StartsWith>},
    {"STARTSWITH", "(BINARY, BINARY) -> BOOLEAN", BindScalar<StartsWithBytes>},
    {"ENDSWITH", "(STRING, STRING) -> BOOLEAN", BindScalar<EndsWith>},
    {"ENDSWITH", "(BINARY, BINARY) -> BOOLEAN", BindScalar<EndsWithBytes>},
    {"TRANSLATE", "(STRING, STRING, STRING) -> STRING", BindScalar<Translate>},
    {"TRANSLATE3", "(STRING, STRING, STRING) -> STRING", BindScalar<Translate>},
};

}  // namespace

std::span<const FunctionEntry> StringFunctions() { return kEntries; }

}  // namespace millrace::operators
