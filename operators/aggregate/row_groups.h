#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace millrace::operators {

// Groups the rows of a mini-batch by the state row they go to: of each group which input rows are
// its first and last one, and whether it existed before and exists now. State rows are told apart
// by their pointers, which are pinned as long as this holds them: neither keys nor results are
// looked at.
class RowGroups {
 public:
  // For `rows` rows in all.
  void Begin(int64_t rows);
  // Takes the next rows in order; `actions` as in UpdateRows (null: all kPlain).
  void Add(uint8_t* const* state_rows, int32_t count, const uint8_t* actions);

  // Groups in the order of their first rows.
  int32_t size() const { return size_; }
  struct Group {
    uint8_t* state_row;
    int32_t first_row;  // by their position among all; negative: ~ of it, the group did not exist
    int32_t last_row;   // that was not ignored (first if all were); negative: ~, none is left

    bool existed() const { return first_row >= 0; }
    bool exists() const { return last_row >= 0; }
    int32_t first() const { return existed() ? first_row : ~first_row; }
    int32_t last() const { return exists() ? last_row : ~last_row; }
  };
  const Group& operator[](int32_t i) const { return groups_[static_cast<size_t>(i)]; }

 private:
  struct Slot {
    uint32_t tag;
    int32_t group;  // + 1; 0: empty
  };
  std::vector<Slot> slots_;  // open addressing
  uint32_t mask_ = 0;
  std::vector<Group> groups_;  // size_ of them; it only grows
  int32_t size_ = 0;
  int32_t rows_ = 0;
  std::vector<uint64_t> hashes_;
};

}  // namespace millrace::operators
