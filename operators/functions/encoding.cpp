#include <cstring>

#include "operators/functions/function_table.h"
#include "operators/functions/scalar_function.h"
#include "runtime/types/key_identity.h"
#include "runtime/types/text/utf8.h"

// HASH_CODE, base64, hexadecimal and binary forms, character sets, tests of what a string holds.

namespace millrace::operators {
namespace {

using runtime::Result;
using runtime::Status;

struct HashInteger {
  void call(int32_t& result, int32_t value) { result = value; }
};
struct HashLong {
  void call(int32_t& result, int64_t value) {
    result = static_cast<int32_t>(value ^ static_cast<int64_t>(static_cast<uint64_t>(value) >> 32));
  }
};
struct HashDouble {
  void call(int32_t& result, double value) {
    int64_t bits = 0;
    if (value != value)
      bits = 0x7ff8000000000000;
    else
      std::memcpy(&bits, &value, 8);
    HashLong().call(result, bits);
  }
};
struct HashFloat {
  void call(int32_t& result, float value) {
    if (value != value)
      result = 0x7fc00000;
    else
      std::memcpy(&result, &value, 4);
  }
};
struct HashBoolean {
  void call(int32_t& result, bool value) { result = value ? 1231 : 1237; }
};
struct HashDate {
  void call(int32_t& result, Date value) { result = value.days; }
};

// The magnitude of String.hashCode, over UTF-16 units; that of INT_MIN is itself.
struct HashText {
  void call(int32_t& result, std::string_view text) {
    uint32_t hash = 0;
    for (size_t at = 0; at < text.size();) {
      const uint32_t c = runtime::NextCodePoint(text, &at);
      if (c >= 0x10000) {
        hash = hash * 31 + (0xD7C0 + (c >> 10));
        hash = hash * 31 + (0xDC00 + (c & 0x3FF));
      } else {
        hash = hash * 31 + c;
      }
    }
    result = static_cast<int32_t>(hash);
    if (result < 0) result = static_cast<int32_t>(0 - hash);
  }
};

constexpr char kBase64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
struct ToBase64 {
  void call(StringResult& result, std::string_view text) {
    std::string& to = result.Writer();
    uint32_t bits = 0;
    int count = 0;
    for (char c : text) {
      bits = bits << 8 | static_cast<unsigned char>(c);
      for (count += 8; count >= 6; count -= 6) to.push_back(kBase64[bits >> (count - 6) & 63]);
    }
    if (count > 0) to.push_back(kBase64[bits << (6 - count) & 63]);
    while (to.size() % 4 != 0) to.push_back('=');
  }
};
struct FromBase64 {
  bool call(StringResult& result, std::string_view text) {
    std::string bytes;
    uint32_t bits = 0;
    int count = 0;
    for (char c : text) {
      if (c == '=') break;
      const char* at = std::strchr(kBase64, c);
      if (at == nullptr || c == '\0') return false;
      bits = bits << 6 | static_cast<uint32_t>(at - kBase64);
      count += 6;
      if (count >= 8) {
        count -= 8;
        bytes.push_back(static_cast<char>(bits >> count & 0xff));
      }
    }
    runtime::AppendWellFormed(bytes, &result.Writer());
    return true;
  }
};

void AppendHex(uint64_t value, std::string* to) {
  char digits[16];
  int count = 0;
  do {
    digits[count++] = "0123456789ABCDEF"[value & 15];
    value >>= 4;
  } while (value != 0);
  while (count > 0) to->push_back(digits[--count]);
}
struct HexNumber {
  void call(StringResult& result, int64_t value) {
    AppendHex(static_cast<uint64_t>(value), &result.Writer());
  }
};
struct HexText {
  void call(StringResult& result, std::string_view text) {
    std::string& to = result.Writer();
    for (char c : text) {
      const auto byte = static_cast<unsigned char>(c);
      to.push_back("0123456789ABCDEF"[byte >> 4]);
      to.push_back("0123456789ABCDEF"[byte & 15]);
    }
  }
};
struct Bin {
  void call(StringResult& result, int64_t value) {
    std::string& to = result.Writer();
    auto bits = static_cast<uint64_t>(value);
    const int width = bits == 0 ? 1 : 64 - __builtin_clzll(bits);
    for (int i = width - 1; i >= 0; --i) to.push_back(static_cast<char>('0' + (bits >> i & 1)));
  }
};

// Character sets that need no table: UTF-8, US-ASCII and ISO-8859-1.
enum class Charset : uint8_t { kUtf8, kAscii, kLatin1 };
Status ParseCharset(const CallShape& call, Charset* charset) {
  if (call.operands[1].constant == nullptr || call.operands[1].constant->IsNull(0)) {
    return Status::User("character set must be a literal, in " + call.text);
  }
  std::string name(call.operands[1].constant->values<runtime::StringRef>()[0].view());
  for (char& c : name) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
  if (name == "UTF-8" || name == "UTF8")
    *charset = Charset::kUtf8;
  else if (name == "US-ASCII" || name == "ASCII")
    *charset = Charset::kAscii;
  else if (name == "ISO-8859-1" || name == "LATIN1")
    *charset = Charset::kLatin1;
  else
    return Status::User("character set " + name +
                        " is not supported (UTF-8, US-ASCII, ISO-8859-1), in " + call.text);
  return Status::Ok();
}
struct Encode {
  Charset charset = Charset::kUtf8;
  Status prepare(const CallShape& call) { return ParseCharset(call, &charset); }
  void call(StringResult& result, std::string_view text, std::string_view) {
    if (charset == Charset::kUtf8) {
      result.Refer(text);
      return;
    }
    std::string& to = result.Writer();
    const uint32_t limit = charset == Charset::kAscii ? 0x80 : 0x100;
    for (size_t at = 0; at < text.size();) {
      const uint32_t c = runtime::NextCodePoint(text, &at);
      to.push_back(c < limit ? static_cast<char>(c) : '?');
    }
  }
};
struct Decode {
  Charset charset = Charset::kUtf8;
  Status prepare(const CallShape& call) { return ParseCharset(call, &charset); }
  void call(StringResult& result, Binary value, std::string_view) {
    std::string& to = result.Writer();
    if (charset == Charset::kUtf8) {
      runtime::AppendWellFormed(value.bytes, &to);
      return;
    }
    for (char c : value.bytes) {
      const auto byte = static_cast<unsigned char>(c);
      runtime::AppendCodePoint(byte >= 0x80 && charset == Charset::kAscii ? 0xFFFD : byte, &to);
    }
  }
};

struct IsDigit {
  void call(bool& result, std::optional<std::string_view> text) {
    result = text.has_value() && !text->empty() &&
             text->find_first_not_of("0123456789") == std::string_view::npos;
  }
};
struct IsAlpha {
  void call(bool& result, std::optional<std::string_view> text) {
    result = text.has_value() && !text->empty();
    for (size_t at = 0; result && at < text->size();) {
      const uint32_t c = runtime::NextCodePoint(*text, &at);
      const uint32_t lower = c | 0x20;
      result = c < 0x80 ? lower >= 'a' && lower <= 'z' : c >= 0xC0 && c != 0xD7 && c != 0xF7;
    }
  }
};

// application/x-www-form-urlencoded, as java.net.URLEncoder.
struct UrlEncode {
  void call(StringResult& result, std::string_view text) {
    std::string& to = result.Writer();
    for (char c : text) {
      const auto byte = static_cast<unsigned char>(c);
      const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                         (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '*' || c == '_';
      if (plain) {
        to.push_back(c);
      } else if (c == ' ') {
        to.push_back('+');
      } else {
        to.push_back('%');
        to.push_back("0123456789ABCDEF"[byte >> 4]);
        to.push_back("0123456789ABCDEF"[byte & 15]);
      }
    }
  }
};
struct UrlDecode {
  bool call(StringResult& result, std::string_view text) {
    const auto digit = [](char c) {
      return c >= '0' && c <= '9'   ? c - '0'
             : c >= 'a' && c <= 'f' ? c - 'a' + 10
             : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                    : -1;
    };
    std::string& to = result.Writer();
    for (size_t i = 0; i < text.size(); ++i) {
      if (text[i] == '+') {
        to.push_back(' ');
      } else if (text[i] != '%') {
        to.push_back(text[i]);
      } else {
        if (i + 2 >= text.size() || digit(text[i + 1]) < 0 || digit(text[i + 2]) < 0) return false;
        to.push_back(static_cast<char>(digit(text[i + 1]) << 4 | digit(text[i + 2])));
        i += 2;
      }
    }
    return true;
  }
};

struct IsDecimal {
  void call(bool& result, std::optional<std::string_view> text) {
    // A sign, digits, one point, digits on either side.
    result = false;
    if (!text.has_value()) return;
    std::string_view rest = *text;
    if (!rest.empty() && (rest[0] == '-' || rest[0] == '+')) rest.remove_prefix(1);
    const size_t point = rest.find('.');
    const std::string_view whole = rest.substr(0, point);
    const std::string_view fraction =
        point == std::string_view::npos ? std::string_view() : rest.substr(point + 1);
    const auto digits = [](std::string_view part) {
      return part.find_first_not_of("0123456789") == std::string_view::npos;
    };
    result = digits(whole) && digits(fraction) && (!whole.empty() || !fraction.empty()) &&
             (point == std::string_view::npos || !fraction.empty());
  }
};

constexpr FunctionEntry kEntries[] = {
    {"HASH_CODE", "(INT) -> INT", BindScalar<HashInteger>},
    {"HASH_CODE", "(BIGINT) -> INT", BindScalar<HashLong>},
    {"HASH_CODE", "(FLOAT) -> INT", BindScalar<HashFloat>},
    {"HASH_CODE", "(DOUBLE) -> INT", BindScalar<HashDouble>},
    {"HASH_CODE", "(BOOLEAN) -> INT", BindScalar<HashBoolean>},
    {"HASH_CODE", "(DATE) -> INT", BindScalar<HashDate>},
    {"HASH_CODE", "(STRING) -> INT", BindScalar<HashText>},
    {"IS_ALPHA", "(STRING) -> BOOLEAN", BindScalar<IsAlpha>},
    {"URL_ENCODE", "(STRING) -> STRING", BindScalar<UrlEncode>},
    {"URL_DECODE", "(STRING) -> STRING", BindScalar<UrlDecode>},
    {"TO_BASE64", "(STRING) -> STRING", BindScalar<ToBase64>},
    {"FROM_BASE64", "(STRING) -> STRING", BindScalar<FromBase64>},
    {"HEX", "(BIGINT) -> STRING", BindScalar<HexNumber>},
    {"HEX", "(STRING) -> STRING", BindScalar<HexText>},
    {"BIN", "(BIGINT) -> STRING", BindScalar<Bin>},
    {"ENCODE", "(STRING, charset) -> BINARY", BindScalar<Encode>},
    {"DECODE", "(BINARY, charset) -> STRING", BindScalar<Decode>},
    {"IS_DIGIT", "(STRING) -> BOOLEAN", BindScalar<IsDigit>},
    {"IS_DECIMAL", "(STRING) -> BOOLEAN", BindScalar<IsDecimal>},
};

}  // namespace

std::span<const FunctionEntry> EncodingFunctions() { return kEntries; }

}  // namespace millrace::operators
