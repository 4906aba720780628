#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace millrace::operators {

// Upper and lower case of Latin, Greek, Cyrillic and Armenian letters, and of sharp s as "SS", as
// Java's String does without a locale; other letters stay as they are.
void AppendUpper(std::string_view text, std::string* to);
void AppendLower(std::string_view text, std::string* to);

}  // namespace millrace::operators
