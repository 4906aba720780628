#include "state/row_order.h"

#include <cstring>
#include <limits>
#include <cstring>

#include "runtime/types/check.h"
#include "state/table_hash.h"

namespace millrace::state {

using runtime::PhysicalType;
using runtime::StringRef;

namespace {

// A row id's priority; the tree's shape depends on nothing that a user could choose.
uint64_t PriorityOf(uint32_t id) { return HashWord(id); }

template <typename T>
T Get(const char* at) {
  T value;
  std::memcpy(static_cast<void*>(&value), at, sizeof(T));
  return value;
}

template <typename T>
int CompareValues(T a, T b) {
  return a < b ? -1 : (b < a ? 1 : 0);
}

// Total order of floating bits: negative ones reversed, NaN above infinity.
template <typename Bits>
Bits Ordered(Bits bits) {
  return bits < 0 ? static_cast<Bits>(bits ^ std::numeric_limits<Bits>::max()) : bits;
}

}  // namespace

RowOrder::RowOrder(const KeyImage& key, int key_columns, uint32_t links_offset, RowPages& pages,
                   SlotPool& slots, size_t owners)
    : key_(key),
      key_columns_(key_columns),
      links_offset_(links_offset),
      pages_(pages),
      slots_(slots),
      roots_(owners) {}

RowOrder::~RowOrder() {
  for (RowIndex& index : roots_) index.Release(slots_);
}

uint32_t RowOrder::TagOfKey(const char* image) const {
  return static_cast<uint32_t>(key_.HashOfColumns(image, key_columns_) >> 32);
}

bool RowOrder::SameKeyColumns(const char* a, const char* b) const {
  return key_.EqualColumns(a, b, key_columns_);
}

int RowOrder::CompareSort(const char* a, const char* b) const {
  for (size_t c = static_cast<size_t>(key_columns_); c < key_.columns().size(); ++c) {
    const KeyImage::Column& column = key_.columns()[c];
    const bool a_null = key_.IsNull(a, c);
    const bool b_null = key_.IsNull(b, c);
    if (a_null != b_null) return a_null ? -1 : 1;
    if (a_null) continue;
    const char* x = a + column.offset;
    const char* y = b + column.offset;
    int order = 0;
    switch (column.physical) {
      case PhysicalType::kBool: order = CompareValues(Get<uint8_t>(x), Get<uint8_t>(y)); break;
      case PhysicalType::kInt8: order = CompareValues(Get<int8_t>(x), Get<int8_t>(y)); break;
      case PhysicalType::kInt16: order = CompareValues(Get<int16_t>(x), Get<int16_t>(y)); break;
      case PhysicalType::kInt32: order = CompareValues(Get<int32_t>(x), Get<int32_t>(y)); break;
      case PhysicalType::kInt64: order = CompareValues(Get<int64_t>(x), Get<int64_t>(y)); break;
      case PhysicalType::kInt128:
        order = CompareValues(Get<runtime::Int128>(x), Get<runtime::Int128>(y));
        break;
      case PhysicalType::kFloat:
        order = CompareValues(Ordered(Get<int32_t>(x)), Ordered(Get<int32_t>(y)));
        break;
      case PhysicalType::kDouble:
        order = CompareValues(Ordered(Get<int64_t>(x)), Ordered(Get<int64_t>(y)));
        break;
      case PhysicalType::kTimestamp:
        order = CompareValues(Get<int64_t>(x), Get<int64_t>(y));
        if (order == 0) order = CompareValues(Get<int32_t>(x + 8), Get<int32_t>(y + 8));
        break;
      case PhysicalType::kString: order = Get<StringRef>(x).Compare(Get<StringRef>(y)); break;
      default: CHECK_THAT_HOLDS(false);
    }
    if (order != 0) return order;
  }
  return 0;
}

uint32_t RowOrder::RootOf(uint32_t owner, uint32_t tag, const char* image) const {
  return roots_[owner].Find(tag,
                            [&](uint32_t id) { return SameKeyColumns(ImageOf(id), image); });
}

void RowOrder::Split(uint32_t tree, uint32_t id, uint32_t* before, uint32_t* behind) {
  const char* image = ImageOf(id);
  while (tree != 0) {
    if (CompareSort(ImageOf(tree), image) < 0) {
      *before = tree;
      before = &LinksOf(tree).right;
      tree = *before;
    } else {
      *behind = tree;
      behind = &LinksOf(tree).left;
      tree = *behind;
    }
  }
  *before = *behind = 0;
}

uint32_t RowOrder::Merge(uint32_t before, uint32_t behind) {
  uint32_t root = 0;
  uint32_t* at = &root;
  while (before != 0 && behind != 0) {
    if (PriorityOf(before) > PriorityOf(behind)) {
      *at = before;
      at = &LinksOf(before).right;
      before = *at;
    } else {
      *at = behind;
      at = &LinksOf(behind).left;
      behind = *at;
    }
  }
  *at = before != 0 ? before : behind;
  return root;
}

void RowOrder::Insert(uint32_t owner, uint32_t id) {
  const char* image = ImageOf(id);
  const uint32_t tag = TagOfKey(image);
  const uint32_t root = RootOf(owner, tag, image);
  if (root == 0) {
    roots_[owner].Insert(tag, id, slots_);
    return;
  }
  uint32_t new_root = root;
  uint32_t* at = &new_root;
  while (*at != 0 && PriorityOf(*at) > PriorityOf(id)) {
    const int order = CompareSort(image, ImageOf(*at));
    CHECK_THAT_HOLDS(order != 0);
    at = order < 0 ? &LinksOf(*at).left : &LinksOf(*at).right;
  }
  Links& links = LinksOf(id);
  Split(*at, id, &links.left, &links.right);
  *at = id;
  if (new_root != root) roots_[owner].Replace(tag, root, new_root);
}

void RowOrder::Erase(uint32_t owner, uint32_t id) {
  const char* image = ImageOf(id);
  const uint32_t tag = TagOfKey(image);
  const uint32_t root = RootOf(owner, tag, image);
  CHECK_THAT_HOLDS(root != 0);
  uint32_t new_root = root;
  uint32_t* at = &new_root;
  while (*at != id) {
    CHECK_THAT_HOLDS(*at != 0);
    at = CompareSort(image, ImageOf(*at)) < 0 ? &LinksOf(*at).left : &LinksOf(*at).right;
  }
  const Links links = LinksOf(id);
  *at = Merge(links.left, links.right);
  if (new_root == 0) {
    roots_[owner].Erase(tag, root);
  } else if (new_root != root) {
    roots_[owner].Replace(tag, root, new_root);
  }
  LinksOf(id) = {0, 0};
}

uint32_t RowOrder::EndOf(uint32_t owner, const char* image, bool last) const {
  uint32_t id = RootOf(owner, TagOfKey(image), image);
  if (id == 0) return 0;
  while (true) {
    const Links& links = LinksOf(id);
    const uint32_t next = last ? links.right : links.left;
    if (next == 0) return id;
    id = next;
  }
}

uint32_t RowOrder::Neighbour(uint32_t owner, uint32_t id, bool behind) const {
  const char* image = ImageOf(id);
  uint32_t at = RootOf(owner, TagOfKey(image), image);
  uint32_t best = 0;
  while (at != 0) {
    const int order = CompareSort(ImageOf(at), image);
    const bool beyond = behind ? order > 0 : order < 0;
    if (beyond) best = at;
    at = (behind == beyond) ? LinksOf(at).left : LinksOf(at).right;
  }
  return best;
}

}  // namespace millrace::state
