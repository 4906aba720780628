#pragma once

// CHECK(condition) states what must hold if our own code is right. It stays on in release, prints
// where and what, and aborts: a worker that no longer knows its state must not go on.
// User input and the outside world are never CHECKed, they get a Status.

namespace millrace::runtime {
[[noreturn]] void CheckFailed(const char* file, int line, const char* what);
}  // namespace millrace::runtime

#define MR_CONCAT_INNER(a, b) a##b
#define MR_CONCAT(a, b) MR_CONCAT_INNER(a, b)

#define CHECK_THAT_HOLDS(condition)                                          \
  do {                                                                       \
    if (__builtin_expect(!(condition), 0))                                   \
      ::millrace::runtime::CheckFailed(__FILE__, __LINE__, #condition);      \
  } while (false)

// Catch2 also has a CHECK; where it is included first, ours keeps its long name.
#ifndef CHECK
#define CHECK(condition) CHECK_THAT_HOLDS(condition)
#endif
