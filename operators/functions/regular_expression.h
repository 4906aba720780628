#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/types/status.h"

namespace millrace::operators {

// A compiled regular expression (PCRE2, UTF-8), close to java.util.regex. Not thread-safe.
class RegularExpression {
 public:
  static runtime::Result<RegularExpression> Compile(std::string_view pattern);
  // Calcite's SIMILAR TO as a regular expression of the whole text.
  static runtime::Result<std::string> FromSimilar(std::string_view pattern,
                                                  std::string_view escape);

  RegularExpression();
  ~RegularExpression();
  RegularExpression(RegularExpression&&) noexcept;
  RegularExpression& operator=(RegularExpression&&) noexcept;

  // Finds the first match at or behind byte `from`. A too costly search counts as no match.
  bool Find(std::string_view text, size_t from = 0);
  // Byte positions of group `index` of the last match; false if it took no part.
  bool Group(int index, size_t* begin, size_t* end) const;
  int groups() const;
  // Appends the text with each match replaced by `by` as it stands (Flink quotes $ and \).
  void ReplaceAll(std::string_view text, std::string_view by, std::string* to);

 private:
  struct Compiled;
  std::unique_ptr<Compiled> compiled_;
};

}  // namespace millrace::operators
