#define PCRE2_CODE_UNIT_WIDTH 8
#include "operators/functions/regular_expression.h"

#include <pcre2.h>

#include "runtime/types/text/utf8.h"

namespace millrace::operators {

using runtime::Result;
using runtime::Status;

struct RegularExpression::Compiled {
  pcre2_code* code = nullptr;
  pcre2_match_data* data = nullptr;
  int found = 0;
  ~Compiled() {
    pcre2_match_data_free(data);
    pcre2_code_free(code);
  }
};

RegularExpression::RegularExpression() = default;
RegularExpression::~RegularExpression() = default;
RegularExpression::RegularExpression(RegularExpression&&) noexcept = default;
RegularExpression& RegularExpression::operator=(RegularExpression&&) noexcept = default;

Result<RegularExpression> RegularExpression::Compile(std::string_view pattern) {
  RegularExpression expression;
  expression.compiled_ = std::make_unique<Compiled>();
  int error = 0;
  PCRE2_SIZE at = 0;
  // Java: $ matches before a final line end, \w and \d are ASCII: PCRE2's defaults without UCP.
  expression.compiled_->code = pcre2_compile(
      reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
      PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_ALLOW_EMPTY_CLASS, &error, &at, nullptr);
  if (expression.compiled_->code == nullptr) {
    PCRE2_UCHAR message[160];
    pcre2_get_error_message(error, message, sizeof message);
    return Status::User("regular expression '" + std::string(pattern) +
                        "': " + reinterpret_cast<const char*>(message) + " near index " +
                        std::to_string(at));
  }
  pcre2_jit_compile(expression.compiled_->code, PCRE2_JIT_COMPLETE);
  expression.compiled_->data =
      pcre2_match_data_create_from_pattern(expression.compiled_->code, nullptr);
  return expression;
}

bool RegularExpression::Find(std::string_view text, size_t from) {
  if (from > text.size()) return false;
  compiled_->found = pcre2_match(compiled_->code, reinterpret_cast<PCRE2_SPTR>(text.data()),
                                 text.size(), from, 0, compiled_->data, nullptr);
  return compiled_->found > 0;
}

int RegularExpression::groups() const {
  uint32_t count = 0;
  pcre2_pattern_info(compiled_->code, PCRE2_INFO_CAPTURECOUNT, &count);
  return static_cast<int>(count);
}

bool RegularExpression::Group(int index, size_t* begin, size_t* end) const {
  if (index < 0 || index >= compiled_->found) return false;
  const PCRE2_SIZE* positions = pcre2_get_ovector_pointer(compiled_->data);
  if (positions[2 * index] == PCRE2_UNSET) return false;
  *begin = positions[2 * index];
  *end = positions[2 * index + 1];
  return true;
}

void RegularExpression::ReplaceAll(std::string_view text, std::string_view by, std::string* to) {
  size_t copied = 0;
  size_t from = 0;
  while (Find(text, from)) {
    size_t begin = 0;
    size_t end = 0;
    Group(0, &begin, &end);
    to->append(text.substr(copied, begin - copied));
    to->append(by);
    copied = end;
    from = end;
    if (end == begin) {
      // An empty match: go on behind the next code point.
      if (end >= text.size()) break;
      from = end + runtime::Utf8Width(text[end]);
    }
  }
  to->append(text.substr(std::min(copied, text.size())));
}

Result<std::string> RegularExpression::FromSimilar(std::string_view pattern,
                                                   std::string_view escape) {
  std::string regex = "\\A(?:";
  bool inside_class = false;
  for (size_t i = 0; i < pattern.size(); ++i) {
    const char c = pattern[i];
    if (!escape.empty() && c == escape[0]) {
      if (++i == pattern.size()) {
        return Status::User("Invalid escape sequence '" + std::string(pattern) + "'");
      }
      regex.push_back('\\');
      regex.push_back(pattern[i]);
      continue;
    }
    if (inside_class) {
      regex.push_back(c);
      inside_class = c != ']';
      continue;
    }
    switch (c) {
      case '_':
        regex.push_back('.');
        break;
      case '%':
        regex.append("(?s:.*)");
        break;
      case '[':
        regex.push_back('[');
        inside_class = true;
        break;
      case '.':
      case '^':
      case '$':
      case '\\':
        regex.push_back('\\');
        regex.push_back(c);
        break;
      default:
        regex.push_back(c);
    }
  }
  if (inside_class)
    return Status::User("Invalid regular expression: '" + std::string(pattern) + "'");
  return regex + ")\\z";
}

}  // namespace millrace::operators
