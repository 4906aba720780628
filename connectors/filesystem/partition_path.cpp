#include "connectors/filesystem/partition_path.h"

#include "connectors/formats/scalar_text.h"
#include "runtime/types/text/date_time_text.h"
#include "runtime/types/text/value_text.h"

namespace millrace::connectors {
namespace {

using runtime::LogicalType;
using runtime::Status;
using runtime::TypeKind;

// Of Hive and Flink.
bool NeedsEscape(unsigned char c) {
  return c < 0x20 || c == 0x7F || std::string_view("\"#%'*/:=?\\{}[]^").find(static_cast<char>(c)) !=
                                      std::string_view::npos;
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

}  // namespace

void AppendEscapedPathName(std::string_view name, std::string* to) {
  constexpr char kHex[] = "0123456789ABCDEF";
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    if (NeedsEscape(byte)) {
      to->push_back('%');
      to->push_back(kHex[byte >> 4]);
      to->push_back(kHex[byte & 15]);
    } else {
      to->push_back(c);
    }
  }
}

std::string UnescapePathName(std::string_view name) {
  std::string plain;
  for (size_t i = 0; i < name.size(); ++i) {
    if (name[i] == '%' && i + 2 < name.size() && HexDigit(name[i + 1]) >= 0 &&
        HexDigit(name[i + 2]) >= 0) {
      plain.push_back(static_cast<char>(HexDigit(name[i + 1]) * 16 + HexDigit(name[i + 2])));
      i += 2;
    } else {
      plain.push_back(name[i]);
    }
  }
  return plain;
}

std::map<std::string, std::string> PartitionOf(std::string_view path) {
  std::map<std::string, std::string> values;
  size_t at = 0;
  while (at < path.size()) {
    const size_t slash = std::min(path.find('/', at), path.size());
    const std::string_view folder = path.substr(at, slash - at);
    const size_t equals = folder.find('=');
    if (slash < path.size() && equals != std::string_view::npos && equals > 0 &&
        equals + 1 < folder.size()) {
      values[UnescapePathName(folder.substr(0, equals))] =
          UnescapePathName(folder.substr(equals + 1));
    }
    at = slash + 1;
  }
  return values;
}

void AppendPartitionValue(const LogicalType& type, const runtime::Vector& vector, int32_t row,
                          std::string* to) {
  if (vector.IsNull(row)) return;
  switch (type.kind()) {
    case TypeKind::kTimestamp:
    case TypeKind::kTimestampLtz:
      runtime::AppendLocalDateTime(runtime::TimestampAt(vector, type.precision(), row), to);
      break;
    case TypeKind::kDecimal:
      AppendPlainDecimal(runtime::DecimalAt(vector, row), type.scale(), to);
      break;
    default: AppendScalarText(type, vector, row, TimeText::kSql, to);
  }
}

const char* ReadPartitionValue(std::string_view text, runtime::VectorBuilder* builder) {
  if (builder->type().kind() == TypeKind::kTimestampLtz) {
    return AppendFromText(std::string(text) + "Z", TimeText::kIso, builder);
  }
  const bool iso = builder->type().kind() == TypeKind::kTimestamp;
  return AppendFromText(text, iso ? TimeText::kIso : TimeText::kSql, builder);
}

Status CheckPartitionType(const std::string& column, const LogicalType& type) {
  switch (type.kind()) {
    case TypeKind::kBinary:
    case TypeKind::kVarBinary:
    case TypeKind::kArray:
    case TypeKind::kMap:
    case TypeKind::kMultiset:
    case TypeKind::kRow:
    case TypeKind::kNull:
      return Status::User("a column of this type can't be a partition key: " + column + " " +
                          type.ToString());
    default: return Status::Ok();
  }
}

}  // namespace millrace::connectors
