#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "runtime/types/status.h"

namespace millrace::operators {

// A LIKE pattern: % is any text, _ any code point, taken literally behind `escape`. The common
// shapes (no wildcard, %x, x%, %x%) are compared as bytes.
class LikePattern {
 public:
  // escape: one code point, or empty for none.
  static runtime::Result<LikePattern> Compile(std::string_view pattern, std::string_view escape);
  bool Matches(std::string_view text) const;

 private:
  enum class Shape : uint8_t { kExact, kPrefix, kSuffix, kContains, kGeneral };
  // A piece between % signs: bytes, with 0xFF (in no UTF-8 text) for _.
  static bool MatchesAt(std::string_view piece, std::string_view text, size_t* end);

  Shape shape_ = Shape::kExact;
  std::string literal_;              // but for kGeneral
  std::vector<std::string> pieces_;  // kGeneral: texts between % signs
};

}  // namespace millrace::operators
