#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace millrace::operators {

// Append the upper and lower case of `text` as Java's String.toUpperCase and toLowerCase of JDK 17
// do with Locale.ROOT: Unicode's full mappings, so that a sharp s becomes "SS" and a sigma at the
// end of a word its final form.
void AppendUpper(std::string_view text, std::string* to);
void AppendLower(std::string_view text, std::string* to);

}  // namespace millrace::operators
