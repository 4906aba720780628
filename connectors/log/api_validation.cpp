#include "connectors/log/api_validation.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <string_view>

#include "runtime/net/base64.h"

namespace millrace::connectors {

using nlohmann::json;

namespace {

constexpr char kList[] = "Start of list found where not expected";
constexpr char kStructure[] = "Start of structure or map found where not expected.";
constexpr char kNumber[] = "class com.amazon.coral.value.json.numbers.TruncatingBigNumber";
constexpr size_t kErrorsMax = 10;

std::string Upper(std::string text) {
  for (char& c : text) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 32);
  }
  return text;
}

std::string LowerFirst(std::string text) {
  if (!text.empty() && text[0] >= 'A' && text[0] <= 'Z') text[0] = static_cast<char>(text[0] + 32);
  return text;
}

// What is wrong with a blob's text, or empty.
std::string BlobError(const std::string& text) {
  const std::string start = "'" + text + "' can not be converted to a Blob: ";
  if (text.size() % 4 != 0) {
    return start + "Base64 encoded length is expected a multiple of 4 bytes but found: " +
           std::to_string(text.size());
  }
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool known = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '+' || c == '/' || c == '=';
    const bool pad_inside = c == '=' && i + 1 < text.size() && text[i + 1] != '=';
    if (!known || pad_inside)
      return start + "Invalid Base64 character: '" + std::string(1, c) + "'";
  }
  std::string bytes;
  if (!runtime::Base64Decode(text, &bytes)) {
    return start + "Invalid last non-pad Base64 character dectected";
  }
  return "";
}

// Where a type mismatch is worded as "class ... can not be converted to ...".
std::string ScalarMismatch(const json& value, const char* to, bool takes_string, bool takes_number,
                           bool takes_boolean) {
  if (value.is_array()) return kList;
  if (value.is_object()) return kStructure;
  if (value.is_boolean() && !takes_boolean) {
    return "class java.lang.Boolean can not be converted to " + std::string(to);
  }
  if (value.is_number() && !takes_number) {
    return std::string(kNumber) + " can not be converted to " + to;
  }
  if (value.is_string() && !takes_string) {
    return "class java.lang.String can not be converted to " + std::string(to);
  }
  return "";
}

std::string CheckTypes(const std::vector<Member>& members, json* value);

std::string CheckType(const Member& member, json* value) {
  switch (member.type) {
    case MemberType::kString:
      return ScalarMismatch(*value, "an String", true, false, false);
    case MemberType::kInteger: {
      std::string error = ScalarMismatch(*value, "an Integer", false, true, false);
      if (error.empty() && value->is_number_float()) {
        *value = static_cast<int64_t>(std::floor(value->get<double>()));
      }
      return error;
    }
    case MemberType::kBoolean:
      if (value->is_string()) {
        return "'" + Upper(value->get<std::string>()) + "' can not be converted to an Boolean";
      }
      return ScalarMismatch(*value, "an Boolean", true, false, true);
    case MemberType::kTimestamp:
      return ScalarMismatch(*value, "milliseconds since epoch", false, true, false);
    case MemberType::kBlob: {
      std::string error = ScalarMismatch(*value, "a Blob", true, false, false);
      return error.empty() ? BlobError(value->get_ref<const std::string&>()) : error;
    }
    case MemberType::kList:
      if (value->is_object()) return kStructure;
      if (!value->is_array()) return "Expected list or null";
      for (json& child : *value) {
        if (child.is_null()) continue;
        if (child.is_array()) return kList;
        if (!child.is_object()) return "Expected null";
        if (std::string error = CheckTypes(member.children, &child); !error.empty()) return error;
      }
      return "";
    case MemberType::kStructure:
      if (value->is_array()) return kList;
      if (!value->is_object()) return "Expected null";
      return CheckTypes(member.children, value);
  }
  return "";
}

std::string CheckTypes(const std::vector<Member>& members, json* value) {
  json kept = json::object();
  for (const Member& member : members) {
    const auto found = value->find(member.name);
    if (found == value->end() || found->is_null()) continue;
    if (std::string error = CheckType(member, &*found); !error.empty()) return error;
    kept[member.name] = std::move(*found);
  }
  *value = std::move(kept);
  return "";
}

// Length in UTF-16 units, as Java counts characters.
int64_t TextLength(const std::string& text) {
  int64_t length = 0;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte & 0xc0) != 0x80) length += byte >= 0xf0 ? 2 : 1;
  }
  return length;
}

bool AllOf(std::string_view text, std::string_view more) {
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (!plain && more.find(c) == std::string_view::npos) return false;
  }
  return !text.empty();
}

bool IsNumber(std::string_view text, size_t digits_max) {
  if (text == "0") return true;
  if (text.empty() || text.size() > digits_max || text[0] == '0') return false;
  return text.find_first_not_of("0123456789") == std::string_view::npos;
}

bool Matches(std::string_view pattern, const std::string& text) {
  if (pattern == kPatternName) return AllOf(text, "_.-");
  if (pattern == kPatternHashKey) return IsNumber(text, 39);
  if (pattern == kPatternSequenceNumber) return IsNumber(text, 129);
  const size_t stream = text.find(":stream/");  // kPatternStreamArn
  return text.starts_with("arn:aws") && stream != std::string::npos && stream + 8 < text.size() &&
         text.find(":kinesis:") != std::string::npos && text.find(' ') == std::string::npos;
}

class ConstraintChecker {
 public:
  std::vector<std::string> errors;

  void CheckAll(const std::vector<Member>& members, const json& value, const std::string& parent) {
    for (const Member& member : members) {
      const auto found = value.find(member.name);
      const json* child = found == value.end() ? nullptr : &*found;
      Check(member, child, parent + LowerFirst(member.name));
    }
  }

 private:
  void Check(const Member& member, const json* value, const std::string& path) {
    if (value == nullptr) {
      if (member.required) Add("null", path, "Member must not be null");
      return;
    }
    const std::string shown = "'" + Shown(member, *value) + "'";
    const bool is_value = member.type == MemberType::kInteger;
    const char* what = is_value ? "value" : "length";
    const int64_t size = SizeOf(member, *value);
    if (member.pattern != nullptr &&
        !Matches(member.pattern, value->get_ref<const std::string&>())) {
      Add(shown, path,
          "Member must satisfy regular expression pattern: " + std::string(member.pattern));
    }
    if (!member.choices.empty()) CheckChoice(member, *value, shown, path);
    if (member.min >= 0 && size < member.min) {
      Add(shown, path,
          "Member must have " + std::string(what) + " greater than or equal to " +
              std::to_string(member.min));
    }
    if (member.max >= 0 && size > member.max) {
      Add(shown, path,
          "Member must have " + std::string(what) + " less than or equal to " +
              std::to_string(member.max));
    }
    if (member.type == MemberType::kStructure) CheckAll(member.children, *value, path + ".");
    if (member.type == MemberType::kList) {
      for (size_t i = 0; i < value->size() && errors.size() < kErrorsMax; ++i) {
        const json& child = (*value)[i];
        const std::string item = path + "." + std::to_string(i + 1) + ".member";
        if (child.is_object()) {
          CheckAll(member.children, child, item + ".");
        } else {
          Add("null", item, "Member must not be null");
        }
      }
    }
  }

  void CheckChoice(const Member& member, const json& value, const std::string& shown,
                   const std::string& path) {
    std::string set;
    for (const char* choice : member.choices) {
      if (value == choice) return;
      set += (set.empty() ? "" : ", ") + std::string(choice);
    }
    Add(shown, path, "Member must satisfy enum value set: [" + set + "]");
  }

  void Add(const std::string& shown, const std::string& path, const std::string& constraint) {
    if (errors.size() >= kErrorsMax) return;
    errors.push_back("Value " + shown + " at '" + path +
                     "' failed to satisfy constraint: " + constraint);
  }

  static int64_t SizeOf(const Member& member, const json& value) {
    switch (member.type) {
      case MemberType::kInteger:
        return value.get<int64_t>();
      case MemberType::kString:
        return TextLength(value.get_ref<const std::string&>());
      case MemberType::kBlob:
        return static_cast<int64_t>(
            runtime::Base64DecodedSize(value.get_ref<const std::string&>()));
      case MemberType::kList:
        return static_cast<int64_t>(value.size());
      default:
        return 0;
    }
  }

  static std::string Shown(const Member& member, const json& value) {
    switch (member.type) {
      case MemberType::kString:
        return value.get<std::string>();
      case MemberType::kBlob: {
        const std::string size = std::to_string(SizeOf(member, value));
        return "java.nio.HeapByteBuffer[pos=0 lim=" + size + " cap=" + size + "]";
      }
      case MemberType::kList: {
        std::string items;
        for (size_t i = 0; i < value.size(); ++i) {
          items += i == 0 ? "" : ", ";
          items += "com.amazonaws.kinesis.v20131202.PutRecordsRequestEntry@c965e310";
        }
        return "[" + items + "]";
      }
      case MemberType::kStructure:
        return "";
      default:
        return value.dump();
    }
  }
};

}  // namespace

std::optional<ApiError> ValidateRequest(const std::vector<Member>& members, json* request) {
  if (std::string error = CheckTypes(members, request); !error.empty()) {
    return ApiError{"SerializationException", error};
  }
  ConstraintChecker checker;
  checker.CheckAll(members, *request, "");
  if (checker.errors.empty()) return std::nullopt;
  const size_t count = checker.errors.size();
  std::string message =
      std::to_string(count) + " validation error" + (count > 1 ? "s" : "") + " detected: ";
  for (size_t i = 0; i < count; ++i) message += (i == 0 ? "" : "; ") + checker.errors[i];
  return ApiError{"ValidationException", message};
}

}  // namespace millrace::connectors
