#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace millrace::runtime {

// Standard base64 with padding (RFC 4648, section 4), at more than a byte a cycle.

// The number of characters that `length` bytes become.
constexpr size_t Base64EncodedSize(size_t length) { return (length + 2) / 3 * 4; }
// The number of bytes that a text of this form becomes, if it is right.
size_t Base64DecodedSize(std::string_view text);

// Writes exactly Base64EncodedSize(length) characters to `to`.
void Base64Encode(const void* from, size_t length, char* to);
std::string Base64Encode(std::string_view bytes);

// Writes Base64DecodedSize(text) bytes to `to` and returns true, or returns false if the text is
// not base64: length no multiple of 4, a foreign character, or bits set that belong to no byte.
bool Base64Decode(std::string_view text, char* to);
bool Base64Decode(std::string_view text, std::string* bytes);
// As Base64Decode, but lets pass set bits that belong to no byte, as Java's decoders do.
bool Base64DecodeLeniently(std::string_view text, std::string* bytes);

}  // namespace millrace::runtime
