#include "connectors/print/changelog_table.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "runtime/types/text/utf8.h"
#include "runtime/types/text/value_text.h"

namespace millrace::connectors {

using runtime::LogicalType;
using runtime::RowKind;
using runtime::TypeKind;

namespace {

constexpr int kWidthMax = 30;
constexpr std::string_view kNull = "<NULL>";
constexpr std::string_view kCut = "...";

struct Stretch {
  uint32_t first, last;
};
constexpr Stretch kWide[] = {
    {0x1100, 0x115F}, {0x2E80, 0x303E},   {0x3041, 0x33FF},   {0x3400, 0x4DBF},  {0x4E00, 0x9FFF},
    {0xA000, 0xA4CF}, {0xAC00, 0xD7A3},   {0xF900, 0xFAFF},   {0xFE30, 0xFE6F},  {0xFF00, 0xFF60},
    {0xFFE0, 0xFFE6}, {0x1F300, 0x1F64F}, {0x1F900, 0x1F9FF}, {0x20000, 0x3FFFD}};
constexpr Stretch kCombining[] = {{0x0300, 0x036F}, {0x200B, 0x200F}, {0xFE00, 0xFE0F}};

template <size_t kCount>
bool IsIn(const Stretch (&stretches)[kCount], uint32_t c) {
  return std::any_of(std::begin(stretches), std::end(stretches),
                     [c](const Stretch& s) { return c >= s.first && c <= s.last; });
}
int WidthOf(uint32_t c) { return IsIn(kCombining, c) ? 0 : IsIn(kWide, c) ? 2 : 1; }

// What a value of the type needs at most.
int WidthOf(const LogicalType& type) {
  switch (type.kind()) {
    case TypeKind::kTinyInt:
      return 4;
    case TypeKind::kSmallInt:
      return 6;
    case TypeKind::kInt:
      return 11;
    case TypeKind::kBigInt:
      return 20;
    case TypeKind::kDecimal:
      return type.precision() + 3;  // sign, point, a leading 0
    case TypeKind::kBoolean:
      return 5;
    case TypeKind::kDate:
      return 10;
    case TypeKind::kTime:
      return type.precision() == 0 ? 8 : type.precision() + 9;
    case TypeKind::kTimestamp:
    case TypeKind::kTimestampLtz:
      return type.precision() == 0 ? 19 : type.precision() + 20;
    default:
      return kWidthMax;
  }
}

const char* NameOf(RowKind kind) {
  switch (kind) {
    case RowKind::kInsert:
      return "+I";
    case RowKind::kUpdateBefore:
      return "-U";
    case RowKind::kUpdateAfter:
      return "+U";
    case RowKind::kDelete:
      return "-D";
  }
  return "";
}

// " text |", at the right of its column. Characters that would move the cursor become blanks.
void AppendCell(std::string_view text, int width, std::string* to) {
  std::string shown(text);
  for (char& c : shown) c = static_cast<unsigned char>(c) < 0x20 || c == 0x7F ? ' ' : c;
  int taken = DisplayWidth(shown);
  if (taken > width) {
    const int room = width - static_cast<int>(kCut.size());
    size_t at = 0, end = 0;
    for (taken = 0; at < shown.size(); end = at) {
      const int one = WidthOf(runtime::NextCodePoint(shown, &at));
      if (taken + one > room) break;
      taken += one;
    }
    shown.resize(end);
    shown += kCut;
    taken += static_cast<int>(kCut.size());
  }
  to->append(1 + static_cast<size_t>(width - taken), ' ');
  to->append(shown);
  to->append(" |");
}

}  // namespace

int DisplayWidth(std::string_view text) {
  int width = 0;
  for (size_t at = 0; at < text.size();) width += WidthOf(runtime::NextCodePoint(text, &at));
  return width;
}

void WriteAll(int descriptor, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;
    bytes.remove_prefix(static_cast<size_t>(written));
  }
}

ChangelogTable::ChangelogTable(runtime::RowType type, runtime::TimeZone zone, int descriptor)
    : type_(std::move(type)), descriptor_(descriptor), zone_(std::move(zone)) {
  for (const runtime::Field& field : type_) {
    int width = std::max(DisplayWidth(field.name), WidthOf(field.type));
    if (field.type.nullable()) width = std::max(width, static_cast<int>(kNull.size()));
    widths_.push_back(std::min(width, std::max(kWidthMax, WidthOf(field.type))));
  }
}

ChangelogTable::~ChangelogTable() {
  if (begun_ && !ended_) End("Query terminated, received a total of ");
}

void ChangelogTable::Begin() {
  std::lock_guard lock(mutex_);
  begun_ = true;
}

void ChangelogTable::AppendRule(std::string* to) const {
  to->append("+----+");
  for (int width : widths_) to->append(static_cast<size_t>(width) + 2, '-').push_back('+');
  to->push_back('\n');
}

void ChangelogTable::AppendHead(std::string* to) const {
  AppendRule(to);
  to->append("| op |");
  for (size_t c = 0; c < type_.size(); ++c) AppendCell(type_[c].name, widths_[c], to);
  to->push_back('\n');
  AppendRule(to);
}

void ChangelogTable::Write(const runtime::Batch& batch) {
  std::lock_guard lock(mutex_);
  text_.clear();
  if (rows_ == 0) AppendHead(&text_);
  std::string value;
  for (int32_t i = 0; i < batch.num_rows(); ++i) {
    const int32_t row = batch.PhysicalRow(i);
    const RowKind kind = batch.row_kinds() == nullptr ? RowKind::kInsert : batch.row_kinds()[row];
    text_.append("| ").append(NameOf(kind)).append(" |");
    for (size_t c = 0; c < type_.size(); ++c) {
      const runtime::Vector& column = batch.column(static_cast<int>(c));
      value.clear();
      if (column.IsNull(row)) {
        value = kNull;
      } else {
        runtime::AppendCastText(type_[c].type, column, row, &zone_, &value);
      }
      AppendCell(value, widths_[c], &text_);
    }
    text_.push_back('\n');
  }
  rows_ += batch.num_rows();
  WriteAll(descriptor_, text_);
}

void ChangelogTable::Finish() {
  std::lock_guard lock(mutex_);
  if (!ended_) End("Received a total of ");
}

void ChangelogTable::End(const char* words) {
  ended_ = true;
  std::string text;
  if (rows_ == 0) {
    text = "Empty set\n";
  } else {
    AppendRule(&text);
    text.append(words).append(std::to_string(rows_)).append(rows_ == 1 ? " row\n" : " rows\n");
  }
  WriteAll(descriptor_, text);
}

}  // namespace millrace::connectors
