#include "operators/functions/letter_case.h"

#include <unicode/ucasemap.h>
#include <unicode/uchar.h>

#include "runtime/types/check.h"
#include "runtime/types/text/utf8.h"

namespace millrace::operators {
namespace {

// JDK 17 knows this version of Unicode; the library may know a later one.
constexpr uint8_t kUnicodeOfJava = 13;

using CaseMapping = decltype(&ucasemap_utf8ToUpper);

const UCaseMap* RootCaseMap() {
  static const UCaseMap* const map = [] {
    UErrorCode error = U_ZERO_ERROR;
    const UCaseMap* opened = ucasemap_open("", 0, &error);
    CHECK_THAT_HOLDS(U_SUCCESS(error));
    return opened;
  }();
  return map;
}

void AppendMapped(CaseMapping mapping, std::string_view text, std::string* to) {
  const size_t start = to->size();
  // A character becomes three at most, and nearly always as many bytes as it was.
  for (size_t room = text.size() + 16;; room = text.size() * 9) {
    to->resize(start + room);
    UErrorCode error = U_ZERO_ERROR;
    const int32_t size =
        mapping(RootCaseMap(), to->data() + start, static_cast<int32_t>(room), text.data(),
                static_cast<int32_t>(text.size()), &error);
    if (error == U_BUFFER_OVERFLOW_ERROR) continue;
    CHECK_THAT_HOLDS(U_SUCCESS(error));
    to->resize(start + static_cast<size_t>(size));
    return;
  }
}

bool IsNewerThanJava(uint32_t code_point) {
  UVersionInfo age;
  u_charAge(static_cast<UChar32>(code_point), age);
  return age[0] > kUnicodeOfJava;
}

void AppendCased(CaseMapping mapping, std::string_view text, std::string* to) {
  size_t begin = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t here = at;
    const uint32_t code_point = runtime::NextCodePoint(text, &at);
    // No letter of one or two bytes is new.
    if (code_point < 0x800 || !IsNewerThanJava(code_point)) continue;
    if (here > begin) AppendMapped(mapping, text.substr(begin, here - begin), to);
    to->append(text.substr(here, at - here));
    begin = at;
  }
  if (begin < text.size()) AppendMapped(mapping, text.substr(begin), to);
}

}  // namespace

void AppendUpper(std::string_view text, std::string* to) {
  if (!runtime::IsAscii(text)) return AppendCased(ucasemap_utf8ToUpper, text, to);
  const size_t start = to->size();
  to->append(text);
  for (size_t i = start; i < to->size(); ++i) {
    const char c = (*to)[i];
    (*to)[i] = c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
  }
}

void AppendLower(std::string_view text, std::string* to) {
  if (!runtime::IsAscii(text)) return AppendCased(ucasemap_utf8ToLower, text, to);
  const size_t start = to->size();
  to->append(text);
  for (size_t i = start; i < to->size(); ++i) {
    const char c = (*to)[i];
    (*to)[i] = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  }
}

}  // namespace millrace::operators
