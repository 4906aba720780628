#pragma once

#include <cstddef>
#include <cstdint>

namespace millrace::state {

// Reserves address space and hands it out from the front, so that what lies in it never moves as it
// grows. Reserved space costs no memory; committed space costs what is touched. One thread.
class VirtualRange {
 public:
  static constexpr size_t kStepBytes = 2 << 20;

  VirtualRange() = default;
  // Reserves up to `bytes`, rounded up to 2 MB, less if the process may not reserve so much (a limit
  // on its address space). Aligned to 2 MB, so that huge pages fit.
  explicit VirtualRange(size_t bytes);
  VirtualRange(VirtualRange&& other) noexcept;
  VirtualRange& operator=(VirtualRange&& other) noexcept;
  ~VirtualRange();

  // The most a table could ever hold: the machine's memory.
  static size_t DefaultBytes();

  char* data() const { return data_; }
  size_t reserved_bytes() const { return reserved_; }
  size_t committed_bytes() const { return committed_; }
  // Makes the first `bytes` usable, in steps of 2 MB; new bytes are zero. Beyond the first step huge
  // pages are asked for: a small table should stay small. False: the range or the memory is full.
  bool Commit(size_t bytes);
  // From now on nothing is touched ahead of its use and no huge pages are asked for: for memory that is
  // kept to a budget.
  void SetSparing() { sparing_ = true; }
  // As Commit, and has the next steps behind it touched in the background once it holds some, so that
  // growing never waits for the kernel to zero pages.
  bool CommitAhead(size_t bytes);

 private:
  void* mapping_ = nullptr;
  size_t mapping_bytes_ = 0;
  char* data_ = nullptr;
  size_t reserved_ = 0;
  size_t committed_ = 0;
  size_t prefaulted_ = 0;
  bool sparing_ = false;
};

}  // namespace millrace::state
