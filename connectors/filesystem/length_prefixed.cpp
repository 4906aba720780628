#include "connectors/filesystem/length_prefixed.h"

namespace millrace::connectors {

void PutNumber(uint64_t value, std::string* to) {
  for (int i = 0; i < 8; ++i) to->push_back(static_cast<char>(value >> (8 * i)));
}

void PutText(std::string_view text, std::string* to) {
  PutNumber(text.size(), to);
  to->append(text);
}

void PutTexts(const std::vector<std::string>& texts, std::string* to) {
  PutNumber(texts.size(), to);
  for (const std::string& text : texts) PutText(text, to);
}

bool LengthPrefixedReader::Number(uint64_t* value) {
  if (left_.size() < 8) return false;
  *value = 0;
  for (size_t i = 0; i < 8; ++i) {
    *value |= uint64_t{static_cast<unsigned char>(left_[i])} << (8 * i);
  }
  left_.remove_prefix(8);
  return true;
}

bool LengthPrefixedReader::Text(std::string* text) {
  uint64_t size = 0;
  if (!Number(&size) || size > left_.size()) return false;
  *text = left_.substr(0, size);
  left_.remove_prefix(size);
  return true;
}

bool LengthPrefixedReader::Texts(std::vector<std::string>* texts) {
  uint64_t count = 0;
  if (!Number(&count) || count > left_.size()) return false;
  texts->resize(count);
  for (std::string& text : *texts) {
    if (!Text(&text)) return false;
  }
  return true;
}

}  // namespace millrace::connectors
