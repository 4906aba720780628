#include "connectors/formats/json_text.h"

#include <cstdint>

#include "runtime/types/text/utf8.h"

namespace millrace::connectors {
namespace {

constexpr char kHexDigits[] = "0123456789ABCDEF";

void AppendEscaped(unsigned char c, std::string* to) {
  switch (c) {
    case '"': to->append("\\\""); break;
    case '\\': to->append("\\\\"); break;
    case '\b': to->append("\\b"); break;
    case '\f': to->append("\\f"); break;
    case '\n': to->append("\\n"); break;
    case '\r': to->append("\\r"); break;
    case '\t': to->append("\\t"); break;
    default:
      to->append("\\u00");
      to->push_back(kHexDigits[c >> 4]);
      to->push_back(kHexDigits[c & 15]);
  }
}


int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

// Takes the four digits of \uXXXX off the front.
bool TakeUnit(std::string_view* text, uint32_t* unit) {
  if (text->size() < 4) return false;
  *unit = 0;
  for (size_t i = 0; i < 4; ++i) {
    const int digit = HexDigit((*text)[i]);
    if (digit < 0) return false;
    *unit = *unit * 16 + static_cast<uint32_t>(digit);
  }
  text->remove_prefix(4);
  return true;
}

bool AppendUnicodeEscape(std::string_view* text, std::string* to) {
  uint32_t unit = 0;
  if (!TakeUnit(text, &unit)) return false;
  if (unit < 0xD800 || unit > 0xDFFF) {
    runtime::AppendCodePoint(unit, to);
    return true;
  }
  uint32_t low = 0;
  std::string_view behind = *text;
  if (unit < 0xDC00 && behind.starts_with("\\u")) {
    behind.remove_prefix(2);
    if (TakeUnit(&behind, &low) && low >= 0xDC00 && low <= 0xDFFF) {
      *text = behind;
      runtime::AppendCodePoint(0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00), to);
      return true;
    }
  }
  to->push_back('?');
  return true;
}

}  // namespace

void AppendJsonString(std::string_view text, std::string* to) {
  to->push_back('"');
  bool ascii = true;
  size_t copied = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    ascii &= c < 0x80;
    if (c >= 0x20 && c != '"' && c != '\\') continue;
    if (!ascii) break;
    to->append(text, copied, i - copied);
    AppendEscaped(c, to);
    copied = i + 1;
  }
  if (ascii) {
    to->append(text, copied);
    to->push_back('"');
    return;
  }
  std::string clean;
  runtime::AppendWellFormed(text.substr(copied), &clean);
  for (const char c : clean) {
    if (static_cast<unsigned char>(c) >= 0x20 && c != '"' && c != '\\') {
      to->push_back(c);
    } else {
      AppendEscaped(static_cast<unsigned char>(c), to);
    }
  }
  to->push_back('"');
}

bool UnescapeJsonLoosely(std::string_view token, std::string* to) {
  if (!token.starts_with('"')) return false;
  token.remove_prefix(1);
  while (!token.empty() && token.front() != '"') {
    char c = token.front();
    token.remove_prefix(1);
    if (c != '\\') {
      to->push_back(c);
      continue;
    }
    if (token.empty()) return false;
    c = token.front();
    token.remove_prefix(1);
    switch (c) {
      case '"':
      case '\\':
      case '/': to->push_back(c); break;
      case 'b': to->push_back('\b'); break;
      case 'f': to->push_back('\f'); break;
      case 'n': to->push_back('\n'); break;
      case 'r': to->push_back('\r'); break;
      case 't': to->push_back('\t'); break;
      case 'u':
        if (!AppendUnicodeEscape(&token, to)) return false;
        break;
      default: return false;
    }
  }
  return !token.empty();
}

bool IsJsonNumber(std::string_view text, bool* has_fraction) {
  size_t i = text.starts_with('-') ? 1 : 0;
  const auto digits = [&] {
    const size_t from = i;
    while (i < text.size() && text[i] >= '0' && text[i] <= '9') ++i;
    return i - from;
  };
  const size_t first = i;
  const size_t whole = digits();
  if (whole == 0 || (whole > 1 && text[first] == '0')) return false;
  *has_fraction = i < text.size();
  if (i < text.size() && text[i] == '.') {
    ++i;
    if (digits() == 0) return false;
  }
  if (i < text.size() && (text[i] | 0x20) == 'e') {
    ++i;
    if (i < text.size() && (text[i] == '+' || text[i] == '-')) ++i;
    if (digits() == 0) return false;
  }
  return i == text.size();
}

}  // namespace millrace::connectors
