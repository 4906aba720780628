#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace millrace::state {

// Writes little-endian numbers and length-prefixed texts.
class ByteWriter {
 public:
  template <typename T>
  void Put(T value) {
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof(T));
  }
  void PutText(std::string_view text) {
    Put(static_cast<uint32_t>(text.size()));
    bytes_.append(text);
  }
  std::string& bytes() { return bytes_; }

 private:
  std::string bytes_;
};

// Reads what ByteWriter wrote. Past the end it gives zeros and ok() turns false.
class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : left_(bytes) {}
  template <typename T>
  T Get() {
    T value{};
    if (left_.size() < sizeof(T)) {
      ok_ = false;
      left_ = {};
      return value;
    }
    std::memcpy(&value, left_.data(), sizeof(T));
    left_.remove_prefix(sizeof(T));
    return value;
  }
  std::string_view GetText() {
    const auto size = Get<uint32_t>();
    if (size > left_.size()) {
      ok_ = false;
      left_ = {};
      return {};
    }
    const std::string_view text = left_.substr(0, size);
    left_.remove_prefix(size);
    return text;
  }
  bool ok() const { return ok_; }
  bool at_end() const { return left_.empty(); }
  size_t left_bytes() const { return left_.size(); }

 private:
  std::string_view left_;
  bool ok_ = true;
};

}  // namespace millrace::state
