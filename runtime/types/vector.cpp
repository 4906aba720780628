#include "runtime/types/vector.h"

#include <algorithm>
#include <cstring>

namespace millrace::runtime {

namespace {

constexpr size_t kFirstHeapBytes = 4096;
constexpr size_t kMostHeapBytes = 256 * 1024;

void AddOnce(std::vector<BufferPtr>* heaps, const BufferPtr& buffer) {
  // Sources come in runs, so the newest few are nearly always the match.
  const size_t look = std::min<size_t>(heaps->size(), 32);
  for (size_t i = 0; i < look; ++i) {
    if ((*heaps)[heaps->size() - 1 - i] == buffer) return;
  }
  heaps->push_back(buffer);
}

template <typename T>
void Gather(const Vector& source, const int32_t* rows, int32_t count, char* to_bytes) {
  const T* __restrict from = source.values<T>();
  T* __restrict to = reinterpret_cast<T*>(to_bytes);
  switch (source.encoding()) {
    case Encoding::kFlat:
      for (int32_t i = 0; i < count; ++i) to[i] = from[rows[i]];
      break;
    case Encoding::kConstant:
      for (int32_t i = 0; i < count; ++i) to[i] = from[0];
      break;
    case Encoding::kDictionary:
      for (int32_t i = 0; i < count; ++i) to[i] = from[source.indices()[rows[i]]];
      break;
  }
}

struct Bytes16 {
  uint64_t a, b;
};

void GatherWidth(uint32_t width, const Vector& source, const int32_t* rows, int32_t count,
                 char* to) {
  switch (width) {
    case 1: return Gather<uint8_t>(source, rows, count, to);
    case 2: return Gather<uint16_t>(source, rows, count, to);
    case 4: return Gather<uint32_t>(source, rows, count, to);
    case 8: return Gather<uint64_t>(source, rows, count, to);
    default: return Gather<Bytes16>(source, rows, count, to);
  }
}

}  // namespace

void Vector::AddHeap(BufferPtr buffer) { AddOnce(&heaps_, buffer); }

void Vector::AddHeapsOf(const Vector& other) {
  for (const BufferPtr& heap : other.heaps_) AddOnce(&heaps_, heap);
}

size_t Vector::retained_bytes() const {
  size_t bytes = 0;
  if (values_buffer_) bytes += values_buffer_->capacity();
  if (validity_buffer_) bytes += validity_buffer_->capacity();
  if (indices_buffer_) bytes += indices_buffer_->capacity();
  for (const BufferPtr& heap : heaps_) bytes += heap->capacity();
  for (const VectorPtr& child : children_) bytes += child->retained_bytes();
  return bytes;
}

BufferPtr AllocateValues(MemoryPool& pool, PhysicalType physical, int32_t length) {
  return pool.Allocate(WidthOf(physical) * static_cast<size_t>(length) + Vector::kPaddingBytes);
}

BufferPtr AllocateValidity(MemoryPool& pool, int32_t length) {
  return pool.Allocate(static_cast<size_t>(WordsFor(length)) * 8 + Vector::kPaddingBytes);
}

VectorPtr MakeNulls(MemoryPool& pool, const LogicalType& type, int32_t length) {
  VectorBuilder builder(pool, type, 1);
  builder.AppendNull();
  VectorPtr one = builder.Finish();
  auto constant = std::make_shared<Vector>(type.physical(), Encoding::kConstant, length);
  if (one->values_buffer()) constant->SetValues(one->values_buffer());
  constant->SetValidity(one->validity_buffer());
  for (const VectorPtr& child : one->children()) constant->AddChild(child);
  return constant;
}

VectorBuilder::VectorBuilder(MemoryPool& pool, LogicalType type, int32_t capacity)
    : pool_(&pool),
      type_(std::move(type)),
      physical_(type_.physical()),
      width_(static_cast<uint32_t>(WidthOf(physical_))),
      first_capacity_(std::max(capacity, 1)) {
  for (const Field& field : type_.children()) {
    children_.emplace_back(pool, field.type, capacity);
  }
}
VectorBuilder::~VectorBuilder() = default;
VectorBuilder::VectorBuilder(VectorBuilder&&) noexcept = default;
VectorBuilder& VectorBuilder::operator=(VectorBuilder&&) noexcept = default;

void VectorBuilder::Grow(int32_t capacity) {
  BufferPtr values = AllocateValues(*pool_, physical_, capacity);
  if (length_ > 0) std::memcpy(values->data(), values_, static_cast<size_t>(length_) * width_);
  values_buffer_ = std::move(values);
  values_ = values_buffer_->data();
  if (validity_ != nullptr) {
    BufferPtr validity = AllocateValidity(*pool_, capacity);
    std::memset(validity->data(), 0xff, validity->capacity());
    std::memcpy(validity->data(), validity_, static_cast<size_t>(WordsFor(length_)) * 8);
    validity_buffer_ = std::move(validity);
    validity_ = reinterpret_cast<uint64_t*>(validity_buffer_->data());
  }
  capacity_ = capacity;
}

void VectorBuilder::Reserve(int32_t more) {
  const int32_t wanted = length_ + more;
  if (wanted <= capacity_) return;
  Grow(std::max({wanted, first_capacity_, capacity_ * 2}));
}

void VectorBuilder::EnsureValidity() {
  if (validity_ != nullptr) return;
  validity_buffer_ = AllocateValidity(*pool_, capacity_);
  validity_ = reinterpret_cast<uint64_t*>(validity_buffer_->data());
  std::memset(validity_buffer_->data(), 0xff, validity_buffer_->capacity());
}

void VectorBuilder::MarkNull(int32_t row) {
  EnsureValidity();
  validity_[row >> 6] &= ~(uint64_t{1} << (row & 63));
}

void VectorBuilder::AppendNull() { AppendNulls(1); }

void VectorBuilder::AppendNulls(int32_t count) {
  if (count == 0) return;
  Reserve(count);
  if (width_ > 0) std::memset(values_ + static_cast<size_t>(length_) * width_, 0, static_cast<size_t>(count) * width_);
  if (physical_ == PhysicalType::kArray || physical_ == PhysicalType::kMap) {
    // Empty where the next list begins, so that Truncate finds the end of the elements.
    const auto end = static_cast<uint32_t>(children_[0].length());
    for (int32_t i = 0; i < count; ++i) {
      reinterpret_cast<ListRange*>(values_)[length_ + i] = {end, 0};
    }
  }
  for (int32_t i = 0; i < count; ++i) MarkNull(length_ + i);
  length_ += count;
  if (physical_ == PhysicalType::kRow) {
    for (VectorBuilder& child : children_) child.AppendNulls(count);
  }
}

void VectorBuilder::MarkNulls(int32_t begin, const uint64_t* valid, int32_t count) {
  bool any = false;
  for (int32_t word = 0; word < WordsFor(count); ++word) {
    uint64_t nulls = ~valid[word];
    const int32_t left = count - word * 64;
    if (left < 64) nulls &= (uint64_t{1} << left) - 1;
    if (nulls == 0) continue;
    if (!any) EnsureValidity();
    any = true;
    for (; nulls != 0; nulls &= nulls - 1) {
      const int32_t row = begin + word * 64 + __builtin_ctzll(nulls);
      validity_[row >> 6] &= ~(uint64_t{1} << (row & 63));
    }
  }
}

char* VectorBuilder::AllocateHeap(size_t bytes) {
  if (bytes > heap_left_) {
    const size_t chunk =
        std::max(bytes, std::min(kMostHeapBytes, std::max(kFirstHeapBytes, heap_used_total_)));
    BufferPtr heap = pool_->Allocate(chunk);
    heap_next_ = heap->data();
    heap_left_ = heap->capacity();
    heaps_.push_back(std::move(heap));
  }
  char* at = heap_next_;
  heap_next_ += bytes;
  heap_left_ -= bytes;
  heap_used_total_ += bytes;
  return at;
}

void VectorBuilder::AppendString(std::string_view text) {
  StringRef ref(text);
  if (!ref.is_inline()) {
    char* bytes = AllocateHeap(text.size());
    std::memcpy(bytes, text.data(), text.size());
    ref = StringRef(bytes, static_cast<uint32_t>(text.size()));
  }
  Append(ref);
}

void VectorBuilder::KeepHeapsOf(const Vector& source) {
  for (const BufferPtr& heap : source.heaps()) AddOnce(&heaps_, heap);
  // Bytes of an own chunk must stay last for AllocateHeap's bump pointer: it keeps the pointer, not
  // the position, so order does not matter.
}

void VectorBuilder::AppendFrom(const Vector& source, int32_t row, Strings strings) {
  AppendRows(source, &row, 1, strings);
}

void VectorBuilder::AppendRange(const Vector& source, int32_t begin, int32_t count,
                                Strings strings) {
  constexpr int32_t kStep = 256;
  int32_t rows[kStep];
  while (count > 0) {
    const int32_t step = std::min(count, kStep);
    for (int32_t i = 0; i < step; ++i) rows[i] = begin + i;
    AppendRows(source, rows, step, strings);
    begin += step;
    count -= step;
  }
}

void VectorBuilder::AppendRows(const Vector& source, const int32_t* rows, int32_t count,
                               Strings strings) {
  if (count == 0) return;
  Reserve(count);
  if (source.may_have_nulls()) {
    for (int32_t i = 0; i < count; ++i) {
      if (source.IsNull(rows[i])) MarkNull(length_ + i);
    }
  }
  switch (physical_) {
    case PhysicalType::kString: {
      GatherWidth(16, source, rows, count, values_ + static_cast<size_t>(length_) * 16);
      auto* refs = reinterpret_cast<StringRef*>(values_) + length_;
      if (strings == Strings::kKeep) {
        KeepHeapsOf(source);
      } else {
        for (int32_t i = 0; i < count; ++i) {
          if (refs[i].is_inline()) continue;
          char* bytes = AllocateHeap(refs[i].size());
          std::memcpy(bytes, refs[i].data(), refs[i].size());
          refs[i] = StringRef(bytes, refs[i].size());
        }
      }
      break;
    }
    case PhysicalType::kArray:
    case PhysicalType::kMap: {
      auto* lists = reinterpret_cast<ListRange*>(values_) + length_;
      for (int32_t i = 0; i < count; ++i) {
        ListRange from = source.At<ListRange>(rows[i]);
        if (source.IsNull(rows[i])) from.length = 0;
        lists[i] = {static_cast<uint32_t>(children_[0].length()), from.length};
        for (size_t c = 0; c < children_.size(); ++c) {
          children_[c].AppendRange(*source.children()[c], static_cast<int32_t>(from.offset),
                                   static_cast<int32_t>(from.length), strings);
        }
      }
      break;
    }
    case PhysicalType::kRow: {
      if (source.encoding() == Encoding::kConstant) {
        const std::vector<int32_t> zeros(static_cast<size_t>(count), 0);
        for (size_t c = 0; c < children_.size(); ++c) {
          children_[c].AppendRows(*source.children()[c], zeros.data(), count, strings);
        }
      } else {
        for (size_t c = 0; c < children_.size(); ++c) {
          children_[c].AppendRows(*source.children()[c], rows, count, strings);
        }
      }
      break;
    }
    default:
      GatherWidth(width_, source, rows, count, values_ + static_cast<size_t>(length_) * width_);
  }
  length_ += count;
}

void VectorBuilder::AppendList(uint32_t length) {
  const auto end = static_cast<uint32_t>(children_[0].length());
  CHECK_THAT_HOLDS(length <= end);
  Append(ListRange{end - length, length});
}

void VectorBuilder::AppendRow() {
  Reserve(1);
  ++length_;
}

void VectorBuilder::Truncate(int32_t length) {
  CHECK_THAT_HOLDS(length <= length_);
  if (validity_ != nullptr) {
    for (int32_t row = length; row < length_; ++row) {
      validity_[row >> 6] |= uint64_t{1} << (row & 63);
    }
  }
  if (physical_ == PhysicalType::kRow) {
    for (VectorBuilder& child : children_) child.Truncate(length);
  } else if (physical_ == PhysicalType::kArray || physical_ == PhysicalType::kMap) {
    const ListRange last =
        length == 0 ? ListRange{} : reinterpret_cast<ListRange*>(values_)[length - 1];
    for (VectorBuilder& child : children_) {
      child.Truncate(static_cast<int32_t>(last.offset + last.length));
    }
  }
  length_ = length;
}

VectorPtr VectorBuilder::Finish() {
  auto vector = std::make_shared<Vector>(physical_, Encoding::kFlat, length_);
  if (!values_buffer_) Grow(1);
  vector->SetValues(std::move(values_buffer_));
  if (validity_buffer_) vector->SetValidity(std::move(validity_buffer_));
  for (BufferPtr& heap : heaps_) vector->AddHeap(std::move(heap));
  for (VectorBuilder& child : children_) vector->AddChild(child.Finish());
  values_buffer_ = BufferPtr();
  validity_buffer_ = BufferPtr();
  heaps_.clear();
  values_ = nullptr;
  validity_ = nullptr;
  heap_next_ = nullptr;
  heap_left_ = 0;
  heap_used_total_ = 0;
  length_ = 0;
  capacity_ = 0;
  return vector;
}

}  // namespace millrace::runtime
