#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace millrace::runtime {

// Tells whoever runs this process of something that needs no end but should be known: a service
// that does not answer, an option without effect. One line on standard error, "millrace: warning:
// ..."; thread-safe, and may block as writing there may, so never once a row nor once a batch.
void Warn(std::string_view words);

// Gives warnings to `take` instead, for tests; an empty function: standard error again. Not
// thread-safe against Warn.
void SetWarningTaker(std::function<void(const std::string&)> take);

}  // namespace millrace::runtime
