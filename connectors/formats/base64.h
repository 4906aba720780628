#pragma once

#include <string>
#include <string_view>

namespace millrace::connectors {

// Base64 (RFC 4648, section 4) with padding, without line breaks.
void AppendBase64(std::string_view bytes, std::string* to);
// Appends the decoded bytes; false if `text` is not whole groups of the alphabet with their padding.
bool DecodeBase64(std::string_view text, std::string* to);

}  // namespace millrace::connectors
