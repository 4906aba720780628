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
  int32_t size() const { return static_cast<int32_t>(groups_.size()); }
  struct Group {
    uint8_t* state_row = nullptr;
    int32_t first = 0;  // rows by their position among all
    int32_t last = 0;   // that was not ignored; the first if all were
    bool existed = false;
    bool exists = false;
  };
  const Group& operator[](int32_t i) const { return groups_[static_cast<size_t>(i)]; }

 private:
  struct Slot {
    uint32_t tag;
    int32_t group;  // + 1; 0: empty
  };
  std::vector<Slot> slots_;  // open addressing
  uint32_t mask_ = 0;
  std::vector<Group> groups_;
  int32_t rows_ = 0;
};

}  // namespace millrace::operators
