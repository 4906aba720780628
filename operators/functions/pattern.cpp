#include "operators/functions/function_table.h"
#include "operators/functions/like_pattern.h"
#include "operators/functions/regular_expression.h"
#include "operators/functions/scalar_function.h"

// LIKE, SIMILAR TO and the REGEXP functions. A pattern is compiled once as long as it stays the
// same.

namespace millrace::operators {
namespace {

using runtime::Result;
using runtime::Status;

struct LikeEscape {
  std::string known;
  std::string known_escape;
  bool compiled = false;
  LikePattern pattern;
  Outcome call(bool& result, std::string_view text, std::string_view like,
               std::string_view escape) {
    if (!compiled || like != known || escape != known_escape) {
      Result<LikePattern> fresh = LikePattern::Compile(like, escape);
      if (!fresh.ok()) return Outcome::kError;
      pattern = std::move(*fresh);
      known = like;
      known_escape = escape;
      compiled = true;
    }
    result = pattern.Matches(text);
    return Outcome::kValue;
  }
  std::string explain(std::string_view, std::string_view like, std::string_view escape) const {
    return LikePattern::Compile(like, escape).status().message();
  }
};
struct Like : LikeEscape {
  void call(bool& result, std::string_view text, std::string_view like) {
    (void)LikeEscape::call(result, text, like, {});  // without escape no pattern is wrong
  }
};

// Keeps the expression of the last pattern.
class RegexCache {
 public:
  // Null: malformed.
  RegularExpression* Get(std::string_view pattern) {
    if (known_ && pattern == text_) return valid_ ? &expression_ : nullptr;
    known_ = true;
    text_ = pattern;
    Result<RegularExpression> compiled = RegularExpression::Compile(pattern);
    valid_ = compiled.ok();
    if (valid_) expression_ = std::move(*compiled);
    return valid_ ? &expression_ : nullptr;
  }

 private:
  bool known_ = false;
  bool valid_ = false;
  std::string text_;
  RegularExpression expression_;
};

struct SimilarEscape {
  RegexCache cache;
  Outcome call(bool& result, std::string_view text, std::string_view similar,
               std::string_view escape) {
    const Result<std::string> regex = RegularExpression::FromSimilar(similar, escape);
    if (!regex.ok()) return Outcome::kError;
    RegularExpression* expression = cache.Get(*regex);
    if (expression == nullptr) return Outcome::kError;
    result = expression->Find(text);
    return Outcome::kValue;
  }
  std::string explain(std::string_view, std::string_view similar, std::string_view escape) const {
    const Result<std::string> regex = RegularExpression::FromSimilar(similar, escape);
    return regex.ok() ? RegularExpression::Compile(*regex).status().message()
                      : regex.status().message();
  }
};
struct Similar : SimilarEscape {
  Outcome call(bool& result, std::string_view text, std::string_view similar) {
    return SimilarEscape::call(result, text, similar, {});
  }
  std::string explain(std::string_view text, std::string_view similar) const {
    return SimilarEscape::explain(text, similar, {});
  }
};

struct Regexp {
  RegexCache cache;
  bool call(bool& result, std::string_view text, std::string_view pattern) {
    RegularExpression* expression = cache.Get(pattern);
    result = !pattern.empty() && expression != nullptr && expression->Find(text);
    return true;
  }
};
struct RegexpReplace {
  RegexCache cache;
  bool call(StringResult& result, std::string_view text, std::string_view pattern,
            std::string_view by) {
    RegularExpression* expression = cache.Get(pattern);
    if (expression == nullptr) return false;
    expression->ReplaceAll(text, by, &result.Writer());
    return true;
  }
};
struct RegexpExtractGroup {
  RegexCache cache;
  bool call(StringResult& result, std::string_view text, std::string_view pattern, int32_t group) {
    RegularExpression* expression = cache.Get(pattern);
    size_t begin = 0;
    size_t end = 0;
    if (group < 0 || expression == nullptr || !expression->Find(text) ||
        !expression->Group(group, &begin, &end)) {
      return false;
    }
    result.Refer(text.substr(begin, end - begin));
    return true;
  }
};
struct RegexpExtract : RegexpExtractGroup {
  bool call(StringResult& result, std::string_view text, std::string_view pattern) {
    return RegexpExtractGroup::call(result, text, pattern, 0);
  }
};
struct RegexpCount {
  RegexCache cache;
  bool call(int32_t& result, std::string_view text, std::string_view pattern) {
    RegularExpression* expression = cache.Get(pattern);
    if (expression == nullptr) return false;
    size_t begin = 0;
    size_t end = 0;
    result = 0;
    for (size_t from = 0; expression->Find(text, from); from = end > begin ? end : end + 1) {
      expression->Group(0, &begin, &end);
      ++result;
    }
    return true;
  }
};

constexpr FunctionEntry kEntries[] = {
    {"LIKE", "(STRING, STRING) -> BOOLEAN", BindScalar<Like>},
    {"LIKE", "(STRING, STRING, STRING) -> BOOLEAN", BindScalar<LikeEscape>},
    {"SIMILAR TO", "(STRING, STRING) -> BOOLEAN", BindScalar<Similar>},
    {"SIMILAR TO", "(STRING, STRING, STRING) -> BOOLEAN", BindScalar<SimilarEscape>},
    {"REGEXP", "(STRING, STRING) -> BOOLEAN", BindScalar<Regexp>},
    {"REGEXP_REPLACE", "(STRING, STRING, STRING) -> STRING", BindScalar<RegexpReplace>},
    {"REGEXP_EXTRACT", "(STRING, STRING) -> STRING", BindScalar<RegexpExtract>},
    {"REGEXP_EXTRACT", "(STRING, STRING, INT) -> STRING", BindScalar<RegexpExtractGroup>},
    {"REGEXP_COUNT", "(STRING, STRING) -> INT", BindScalar<RegexpCount>},
};

}  // namespace

std::span<const FunctionEntry> PatternFunctions() { return kEntries; }

}  // namespace millrace::operators
