#include "tests/simulation/trace.h"

#include <cctype>
#include <cstdio>

namespace millrace::tests {

void Trace::Add(std::string_view text) {
  size_t run = 0;
  const auto flush = [&](size_t end) {
    if (run >= 8) return;
    for (size_t i = end - run; i < end; ++i) Add(static_cast<uint64_t>(text[i]));
  };
  for (size_t i = 0; i < text.size(); ++i) {
    if (std::isxdigit(static_cast<unsigned char>(text[i])) != 0) {
      ++run;
      continue;
    }
    flush(i);
    run = 0;
    Add(static_cast<uint64_t>(text[i]));
  }
  flush(text.size());
}

void Trace::Note(int64_t now_nanos, std::string_view what, std::string_view text, int64_t a,
                 int64_t b) {
  ++events_;
  Add(static_cast<uint64_t>(now_nanos));
  Add(what);
  Add(text);
  Add(static_cast<uint64_t>(a));
  Add(static_cast<uint64_t>(b));
  if (!print_) return;
  std::fprintf(stderr, "%12.6f %-10.*s %.*s", static_cast<double>(now_nanos) / 1e9,
               static_cast<int>(what.size()), what.data(), static_cast<int>(text.size()),
               text.data());
  if (a != 0 || b != 0) {
    std::fprintf(stderr, " %lld %lld", static_cast<long long>(a), static_cast<long long>(b));
  }
  std::fputc('\n', stderr);
}

}  // namespace millrace::tests
