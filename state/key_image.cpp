#include "state/key_image.h"

#include <cstring>

#include "runtime/types/check.h"
#include "state/table_hash.h"

namespace millrace::state {

using runtime::Encoding;
using runtime::PhysicalType;
using runtime::StringRef;
using runtime::Vector;

namespace {

uint32_t ImageWidthOf(PhysicalType physical) {
  switch (physical) {
    case PhysicalType::kInt128:
    case PhysicalType::kString:
    case PhysicalType::kTimestamp:
      return 16;
    default:
      CHECK_THAT_HOLDS(physical < PhysicalType::kArray);
      return 8;
  }
}

uint64_t WordAt(const char* at) {
  uint64_t word;
  std::memcpy(&word, at, 8);
  return word;
}

StringRef RefAt(const char* at) {
  StringRef ref;
  std::memcpy(static_cast<void*>(&ref), at, sizeof(ref));
  return ref;
}

uint64_t HashString(const char* image) {
  const StringRef ref = RefAt(image);
  if (ref.is_inline()) return HashWord(HashWord(WordAt(image)), WordAt(image + 8));
  return HashBytes(ref.data(), ref.size());
}

uint32_t TagOfHash(uint64_t hash) {
  const auto tag = static_cast<uint32_t>(hash >> 32);
  return tag == KeyImage::kNullTag ? 1 : tag;
}

}  // namespace

KeyImage::KeyImage(const std::vector<runtime::LogicalType>& types) : types_(types) {
  CHECK_THAT_HOLDS(types.size() < 1024);
  if (types.size() != 1) {
    bool any_nullable = types.empty();  // a key of no columns: one word, always 0
    for (const auto& type : types) any_nullable |= type.nullable();
    if (any_nullable) null_words_ = static_cast<uint32_t>(types.size() / 64 + 1);
  }
  size_bytes_ = null_words_ * 8;
  for (const auto& type : types) {
    const PhysicalType physical = type.physical();
    columns_.push_back({physical, size_bytes_, type.nullable()});
    if (physical == PhysicalType::kString) string_offsets_.push_back(size_bytes_);
    size_bytes_ += ImageWidthOf(physical);
  }
  if (string_offsets_.empty()) {
    if (size_bytes_ == 8) shape_ = Shape::kWord;
    if (size_bytes_ == 16) shape_ = Shape::kTwoWords;
  } else if (types.size() == 1) {
    shape_ = Shape::kString;
  }
}

template <typename T>
void KeyImage::EncodeFixed(const Column& column, const Vector& from, const int32_t* rows,
                           int32_t count, char* images) const {
  const char* values = from.raw_values();
  char* to = images + column.offset;
  const size_t step = size_bytes_;
  const auto put = [](char* at, const char* value) {
    if constexpr (sizeof(T) < 8) {
      uint64_t word = 0;
      std::memcpy(&word, value, sizeof(T));
      std::memcpy(at, &word, 8);
    } else {
      std::memcpy(at, value, sizeof(T));
    }
  };
  if (from.encoding() == Encoding::kConstant) {
    for (int32_t i = 0; i < count; ++i, to += step) put(to, values);
  } else if (rows == nullptr && from.encoding() == Encoding::kFlat) {
    if (step == sizeof(T)) {
      std::memcpy(to, values, static_cast<size_t>(count) * sizeof(T));
    } else {
      for (int32_t i = 0; i < count; ++i, to += step) put(to, values + i * sizeof(T));
    }
  } else {
    for (int32_t i = 0; i < count; ++i, to += step) {
      const int32_t row = rows == nullptr ? i : rows[i];
      put(to, values + static_cast<size_t>(from.PositionOf(row)) * sizeof(T));
    }
  }
}

void KeyImage::EncodeNulls(size_t index, const Vector& from, const int32_t* rows, int32_t count,
                           char* images) const {
  const Column& column = columns_[index];
  const uint32_t width = ImageWidthOf(column.physical);
  for (int32_t i = 0; i < count; ++i) {
    if (!from.IsNull(rows == nullptr ? i : rows[i])) continue;
    char* image = images + static_cast<size_t>(i) * size_bytes_;
    std::memset(image + column.offset, 0, width);
    if (null_words_ > 0) {
      image[index / 8] = static_cast<char>(image[index / 8] | 1 << (index % 8));
    }
  }
}

void KeyImage::EncodeColumn(size_t index, const Vector& from, const int32_t* rows, int32_t count,
                            char* images) const {
  const Column& column = columns_[index];
  switch (column.physical) {
    case PhysicalType::kBool:
    case PhysicalType::kInt8: EncodeFixed<int8_t>(column, from, rows, count, images); break;
    case PhysicalType::kInt16: EncodeFixed<int16_t>(column, from, rows, count, images); break;
    case PhysicalType::kInt32:
    case PhysicalType::kFloat: EncodeFixed<int32_t>(column, from, rows, count, images); break;
    case PhysicalType::kInt64:
    case PhysicalType::kDouble: EncodeFixed<int64_t>(column, from, rows, count, images); break;
    case PhysicalType::kInt128:
      EncodeFixed<runtime::Int128>(column, from, rows, count, images);
      break;
    case PhysicalType::kString: EncodeFixed<StringRef>(column, from, rows, count, images); break;
    case PhysicalType::kTimestamp:
      EncodeFixed<runtime::TimestampNanos>(column, from, rows, count, images);
      // The last four bytes are padding, which may hold anything.
      for (int32_t i = 0; i < count; ++i) {
        std::memset(images + static_cast<size_t>(i) * size_bytes_ + column.offset + 12, 0, 4);
      }
      break;
    default: CHECK_THAT_HOLDS(false);
  }
  if (from.may_have_nulls()) EncodeNulls(index, from, rows, count, images);
}

void KeyImage::EncodeFirst(std::span<const Vector* const> columns, const int32_t* rows,
                           int32_t count, char* images) const {
  std::memset(images, 0, static_cast<size_t>(count) * size_bytes_);
  for (size_t c = 0; c < columns.size(); ++c) EncodeColumn(c, *columns[c], rows, count, images);
}

void KeyImage::Encode(std::span<const Vector* const> columns, const int32_t* rows, int32_t count,
                      char* images, uint32_t* tags) const {
  if (null_words_ > 0) {
    for (int32_t i = 0; i < count; ++i) {
      std::memset(images + static_cast<size_t>(i) * size_bytes_, 0, null_words_ * 8);
    }
  }
  for (size_t c = 0; c < columns_.size(); ++c) EncodeColumn(c, *columns[c], rows, count, images);
  switch (shape_) {
    case Shape::kWord:
      for (int32_t i = 0; i < count; ++i) tags[i] = TagOfHash(HashWord(WordAt(images + i * 8)));
      break;
    case Shape::kTwoWords:
      for (int32_t i = 0; i < count; ++i) {
        const char* image = images + static_cast<size_t>(i) * 16;
        tags[i] = TagOfHash(HashWord(HashWord(WordAt(image)), WordAt(image + 8)));
      }
      break;
    case Shape::kString:
      for (int32_t i = 0; i < count; ++i) {
        tags[i] = TagOfHash(HashString(images + static_cast<size_t>(i) * 16));
      }
      break;
    case Shape::kMixed:
      for (int32_t i = 0; i < count; ++i) {
        tags[i] = TagOf(images + static_cast<size_t>(i) * size_bytes_);
      }
      break;
  }
  if (columns_.size() == 1 && columns[0]->may_have_nulls()) {
    for (int32_t i = 0; i < count; ++i) {
      if (columns[0]->IsNull(rows == nullptr ? i : rows[i])) tags[i] = kNullTag;
    }
  }
}

uint32_t KeyImage::TagOf(const char* image) const { return TagOfHash(HashOf(image)); }

uint64_t KeyImage::HashOf(const char* image) const {
  switch (shape_) {
    case Shape::kWord: return HashWord(WordAt(image));
    case Shape::kTwoWords: return HashWord(HashWord(WordAt(image)), WordAt(image + 8));
    case Shape::kString: return HashString(image);
    case Shape::kMixed: break;
  }
  uint64_t hash = size_bytes_;
  for (uint32_t at = 0; at < null_words_ * 8; at += 8) hash = HashWord(hash, WordAt(image + at));
  for (const Column& column : columns_) {
    const char* at = image + column.offset;
    if (column.physical == PhysicalType::kString) {
      hash = HashWord(hash, HashString(at));
    } else {
      hash = HashWord(hash, WordAt(at));
      if (ImageWidthOf(column.physical) == 16) hash = HashWord(hash, WordAt(at + 8));
    }
  }
  return hash;
}

uint64_t KeyImage::HashOfColumns(const char* image, int count) const {
  uint64_t hash = size_bytes_;
  for (size_t c = 0; c < static_cast<size_t>(count); ++c) {
    const char* at = image + columns_[c].offset;
    hash = HashWord(hash, IsNull(image, c));
    if (columns_[c].physical == PhysicalType::kString) {
      hash = HashWord(hash, HashString(at));
    } else {
      hash = HashWord(hash, WordAt(at));
      if (ImageWidthOf(columns_[c].physical) == 16) hash = HashWord(hash, WordAt(at + 8));
    }
  }
  return hash;
}

bool KeyImage::EqualColumns(const char* a, const char* b, int count) const {
  for (size_t c = 0; c < static_cast<size_t>(count); ++c) {
    const uint32_t at = columns_[c].offset;
    if (IsNull(a, c) != IsNull(b, c)) return false;
    if (columns_[c].physical == PhysicalType::kString) {
      if (!(RefAt(a + at) == RefAt(b + at))) return false;
    } else if (std::memcmp(a + at, b + at, ImageWidthOf(columns_[c].physical)) != 0) {
      return false;
    }
  }
  return true;
}

bool KeyImage::Equal(const char* a, const char* b) const {
  if (string_offsets_.empty()) return std::memcmp(a, b, size_bytes_) == 0;
  if (std::memcmp(a, b, null_words_ * 8) != 0) return false;
  for (const Column& column : columns_) {
    if (column.physical == PhysicalType::kString) {
      if (!(RefAt(a + column.offset) == RefAt(b + column.offset))) return false;
    } else if (std::memcmp(a + column.offset, b + column.offset,
                           ImageWidthOf(column.physical)) != 0) {
      return false;
    }
  }
  return true;
}

void KeyImage::Append(const char* image, bool is_null,
                      std::span<runtime::VectorBuilder* const> builders) const {
  for (size_t c = 0; c < columns_.size(); ++c) {
    runtime::VectorBuilder& to = *builders[c];
    const char* at = image + columns_[c].offset;
    const bool null_bit = null_words_ > 0 && ((image[c / 8] >> (c % 8)) & 1);
    if (is_null || null_bit) {
      to.AppendNull();
      continue;
    }
    switch (columns_[c].physical) {
      case PhysicalType::kBool:
      case PhysicalType::kInt8: to.Append(*at); break;
      case PhysicalType::kInt16: {
        int16_t value;
        std::memcpy(&value, at, 2);
        to.Append(value);
        break;
      }
      case PhysicalType::kInt32:
      case PhysicalType::kFloat: {
        int32_t value;
        std::memcpy(&value, at, 4);
        to.Append(value);
        break;
      }
      case PhysicalType::kInt64:
      case PhysicalType::kDouble: to.Append(WordAt(at)); break;
      case PhysicalType::kInt128: {
        runtime::Int128 value;
        std::memcpy(&value, at, 16);
        to.Append(value);
        break;
      }
      case PhysicalType::kTimestamp: {
        runtime::TimestampNanos value;
        std::memcpy(static_cast<void*>(&value), at, 12);
        to.Append(value);
        break;
      }
      case PhysicalType::kString: {
        const StringRef ref = RefAt(at);
        to.AppendString({ref.is_inline() ? at + 4 : ref.data(), ref.size()});
        break;
      }
      default: CHECK_THAT_HOLDS(false);
    }
  }
}

}  // namespace millrace::state
