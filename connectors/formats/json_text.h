#pragma once

#include <string>
#include <string_view>

namespace millrace::connectors {

// Appends a text as a JSON string, as Jackson does: quoted; escaped are quotes, backslashes and
// control characters; malformed UTF-8 becomes U+FFFD.
void AppendJsonString(std::string_view text, std::string* to);

// Reads a JSON string at the front of `token` (from its first quote on) that may hold escapes of half
// a surrogate pair, which become '?', as in Java. False: malformed.
bool UnescapeJsonLoosely(std::string_view token, std::string* to);

// RFC 8259's number. *has_fraction: it has a point or an exponent.
bool IsJsonNumber(std::string_view text, bool* has_fraction);

}  // namespace millrace::connectors
