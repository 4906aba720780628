#include "operators/functions/letter_case.h"

#include <catch2/catch.hpp>
#include <fstream>
#include <sstream>

#include "runtime/types/text/utf8.h"

namespace millrace::operators {
namespace {

std::string TextOf(const std::string& code_points) {
  std::istringstream in(code_points);
  std::string text;
  for (uint32_t c; in >> std::hex >> c;) runtime::AppendCodePoint(c, &text);
  return text;
}

std::string Upper(const std::string& text) {
  std::string upper;
  AppendUpper(text, &upper);
  return upper;
}

std::string Lower(const std::string& text) {
  std::string lower;
  AppendLower(text, &lower);
  return lower;
}

// Every code point, against what Java writes (tests/data/README.md).
TEST_CASE("Letter case is Java's") {
  std::ifstream file("tests/data/letter_case.txt");
  REQUIRE(file.good());
  int changed = 0, wrong = 0;
  uint32_t next = 0;
  const auto expect = [&](const std::string& text, const std::string& upper,
                          const std::string& lower) {
    if (Upper(text) == upper && Lower(text) == lower) return;
    if (++wrong <= 20) {
      UNSCOPED_INFO(text << ": upper " << Upper(text) << ", Java's " << upper << "; lower "
                         << Lower(text) << ", Java's " << lower);
    }
  };
  const auto expect_same = [&](uint32_t end) {
    for (; next < end; ++next) {
      if (next >= 0xD800 && next <= 0xDFFF) continue;
      std::string text;
      runtime::AppendCodePoint(next, &text);
      expect(text, text, text);
    }
  };
  for (std::string line; std::getline(file, line); ++changed) {
    const size_t first = line.find(';'), second = line.find(';', first + 1);
    const std::string text = line.substr(0, first);
    if (text.find(' ') == std::string::npos) {
      const auto code_point = static_cast<uint32_t>(std::stoul(text, nullptr, 16));
      if (code_point >= next) {  // else a word of one letter
        expect_same(code_point);
        ++next;
      }
    }
    expect(TextOf(text), TextOf(line.substr(first + 1, second - first - 1)),
           TextOf(line.substr(second + 1)));
  }
  expect_same(0x110000);
  CHECK(changed > 2500);
  CHECK(wrong == 0);
}

}  // namespace
}  // namespace millrace::operators
