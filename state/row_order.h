#pragma once

#include <cstdint>
#include <vector>

#include "state/key_image.h"
#include "state/row_index.h"
#include "state/row_pages.h"

namespace millrace::state {

// Keeps the rows of each key of one table in order of their sort columns: a treap (Seidel and Aragon,
// 1996) a key, threaded through 8 bytes of each row {left id, right id}, whose priorities are hashes
// of row ids. The roots are found by one RowIndex an owner, by the key's columns; the root row itself
// holds the key. Nothing of it is stored: it is built again as rows are loaded. One thread.
class RowOrder {
 public:
  // The first `key_columns` columns of `key` are the key, the rest the sort columns. `links_offset`:
  // where in a row the links lie.
  RowOrder(const KeyImage& key, int key_columns, uint32_t links_offset, RowPages& pages,
           SlotPool& slots, size_t owners);
  ~RowOrder();

  // The row stands in the table now, links 0; no other row of its key has its sort value.
  void Insert(uint32_t owner, uint32_t id);
  // The row is about to go.
  void Erase(uint32_t owner, uint32_t id);

  // The first or last row of the key of an image (its sort columns don't matter); 0 if none.
  uint32_t EndOf(uint32_t owner, const char* image, bool last) const;
  // The next row before or behind a row of the table; 0 if none.
  uint32_t Neighbour(uint32_t owner, uint32_t id, bool behind) const;

 private:
  struct Links {
    uint32_t left;
    uint32_t right;
  };
  const char* ImageOf(uint32_t id) const {
    return reinterpret_cast<const char*>(pages_.RowAt(id));
  }
  Links& LinksOf(uint32_t id) const {
    return *reinterpret_cast<Links*>(pages_.RowAt(id) + links_offset_);
  }
  uint32_t TagOfKey(const char* image) const;
  bool SameKeyColumns(const char* a, const char* b) const;
  int CompareSort(const char* a, const char* b) const;
  uint32_t RootOf(uint32_t owner, uint32_t tag, const char* image) const;
  // Divides a tree into what stands before and behind the row `id`.
  void Split(uint32_t tree, uint32_t id, uint32_t* before, uint32_t* behind);
  uint32_t Merge(uint32_t before, uint32_t behind);

  const KeyImage& key_;
  const int key_columns_;
  const uint32_t links_offset_;
  RowPages& pages_;
  SlotPool& slots_;
  std::vector<RowIndex> roots_;  // by owner
};

}  // namespace millrace::state
