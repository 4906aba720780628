#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::connectors {

// The byte form of what this connector stores in checkpoints: numbers are 8 bytes, little-endian;
// texts and lists have their length before them.
void PutNumber(uint64_t value, std::string* to);
void PutText(std::string_view text, std::string* to);
void PutTexts(const std::vector<std::string>& texts, std::string* to);

// Takes values off the front of bytes. Every call gives false when they don't hold such a value.
class LengthPrefixedReader {
 public:
  explicit LengthPrefixedReader(std::string_view bytes) : left_(bytes) {}
  bool Number(uint64_t* value);
  bool Text(std::string* text);
  bool Texts(std::vector<std::string>* texts);
  bool done() const { return left_.empty(); }

 private:
  std::string_view left_;
};

}  // namespace millrace::connectors
