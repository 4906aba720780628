#include "operators/functions/like_pattern.h"

#include "runtime/types/text/utf8.h"

namespace millrace::operators {

using runtime::Result;
using runtime::Status;

namespace {
constexpr char kAnyPoint = static_cast<char>(0xFF);
}

Result<LikePattern> LikePattern::Compile(std::string_view pattern, std::string_view escape) {
  LikePattern compiled;
  compiled.pieces_.emplace_back();
  bool has_any = false;
  for (size_t i = 0; i < pattern.size();) {
    if (!escape.empty() && pattern.substr(i).starts_with(escape)) {
      const size_t next = i + escape.size();
      const std::string_view rest = pattern.substr(next);
      if (rest.empty() || (rest[0] != '%' && rest[0] != '_' && !rest.starts_with(escape))) {
        return Status::User("Invalid escape sequence '" + std::string(pattern) + "', " +
                            std::to_string(i));
      }
      const size_t width = runtime::Utf8Width(rest[0]);
      compiled.pieces_.back().append(rest.substr(0, width));
      i = next + width;
      continue;
    }
    if (pattern[i] == '%') {
      compiled.pieces_.emplace_back();
    } else if (pattern[i] == '_') {
      compiled.pieces_.back().push_back(kAnyPoint);
      has_any = true;
    } else {
      compiled.pieces_.back().push_back(pattern[i]);
    }
    ++i;
  }
  // Neighbouring % signs are one.
  std::vector<std::string>& pieces = compiled.pieces_;
  for (size_t i = 1; i + 1 < pieces.size();) {
    if (pieces[i].empty()) {
      pieces.erase(pieces.begin() + static_cast<std::ptrdiff_t>(i));
    } else {
      ++i;
    }
  }
  if (has_any) {
    compiled.shape_ = Shape::kGeneral;
  } else if (pieces.size() == 1) {
    compiled.literal_ = pieces[0];
  } else if (pieces.size() == 2 && pieces[1].empty()) {
    compiled.shape_ = Shape::kPrefix;
    compiled.literal_ = pieces[0];
  } else if (pieces.size() == 2 && pieces[0].empty()) {
    compiled.shape_ = Shape::kSuffix;
    compiled.literal_ = pieces[1];
  } else if (pieces.size() == 3 && pieces[0].empty() && pieces[2].empty()) {
    compiled.shape_ = Shape::kContains;
    compiled.literal_ = pieces[1];
  } else {
    compiled.shape_ = Shape::kGeneral;
  }
  return compiled;
}

bool LikePattern::MatchesAt(std::string_view piece, std::string_view text, size_t* end) {
  size_t at = 0;
  for (char c : piece) {
    if (at >= text.size()) return false;
    if (c == kAnyPoint) {
      at += runtime::Utf8Width(text[at]);
    } else if (c == text[at]) {
      ++at;
    } else {
      return false;
    }
  }
  *end = at;
  return at <= text.size();
}

bool LikePattern::Matches(std::string_view text) const {
  switch (shape_) {
    case Shape::kExact:
      return text == literal_;
    case Shape::kPrefix:
      return text.starts_with(literal_);
    case Shape::kSuffix:
      return text.ends_with(literal_);
    case Shape::kContains:
      return text.find(literal_) != std::string_view::npos;
    case Shape::kGeneral:
      break;
  }
  size_t end = 0;
  if (!MatchesAt(pieces_[0], text, &end)) return false;
  if (pieces_.size() == 1) return end == text.size();
  text.remove_prefix(end);
  // Each piece as early as it fits leaves the most for those behind; the last must end the text.
  for (size_t i = 1; i < pieces_.size(); ++i) {
    const bool last = i + 1 == pieces_.size();
    if (last && pieces_[i].empty()) return true;
    bool found = false;
    for (size_t start = 0; start <= text.size();) {
      if (MatchesAt(pieces_[i], text.substr(start), &end) &&
          (!last || start + end == text.size())) {
        text.remove_prefix(start + end);
        found = true;
        break;
      }
      if (start == text.size()) break;
      start += runtime::Utf8Width(text[start]);
    }
    if (!found) return false;
  }
  return true;
}

}  // namespace millrace::operators
