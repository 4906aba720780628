#include "state/virtual_range.h"

#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "runtime/types/check.h"
#include "state/memory_thread.h"

namespace millrace::state {

VirtualRange::VirtualRange(size_t bytes) {
  size_t wanted = (std::max<size_t>(bytes, 1) + kStepBytes - 1) / kStepBytes * kStepBytes;
  while (true) {
    mapping_bytes_ = wanted + kStepBytes;
    mapping_ = ::mmap(nullptr, mapping_bytes_, PROT_NONE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapping_ != MAP_FAILED) break;
    CHECK_THAT_HOLDS(wanted > kStepBytes);
    wanted = std::max(wanted / 2 / kStepBytes * kStepBytes, kStepBytes);
  }
  const auto start = reinterpret_cast<uintptr_t>(mapping_);
  data_ = reinterpret_cast<char*>((start + kStepBytes - 1) / kStepBytes * kStepBytes);
  reserved_ = wanted;
}

VirtualRange::VirtualRange(VirtualRange&& other) noexcept { *this = std::move(other); }

VirtualRange& VirtualRange::operator=(VirtualRange&& other) noexcept {
  std::swap(mapping_, other.mapping_);
  std::swap(mapping_bytes_, other.mapping_bytes_);
  std::swap(data_, other.data_);
  std::swap(reserved_, other.reserved_);
  std::swap(committed_, other.committed_);
  std::swap(prefaulted_, other.prefaulted_);
  std::swap(sparing_, other.sparing_);
  return *this;
}

VirtualRange::~VirtualRange() {
  if (mapping_ != nullptr) ::munmap(mapping_, mapping_bytes_);
}

size_t VirtualRange::DefaultBytes() {
  static const size_t bytes = [] {
    size_t most = static_cast<size_t>(::sysconf(_SC_PHYS_PAGES)) *
                  static_cast<size_t>(::sysconf(_SC_PAGESIZE));
    struct rlimit limit;
    if (::getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
      most = std::min(most, static_cast<size_t>(limit.rlim_cur) / 16);
    }
    return std::max(most, kStepBytes * 8);
  }();
  return bytes;
}

bool VirtualRange::Commit(size_t bytes) {
  if (bytes <= committed_) return true;
  const size_t to = (bytes + kStepBytes - 1) / kStepBytes * kStepBytes;
  if (to > reserved_) return false;
  if (::mprotect(data_ + committed_, to - committed_, PROT_READ | PROT_WRITE) != 0) return false;
  const size_t huge_from = std::max(committed_, kStepBytes);
  if (huge_from < to && !sparing_) ::madvise(data_ + huge_from, to - huge_from, MADV_HUGEPAGE);
  committed_ = to;
  return true;
}

bool VirtualRange::CommitAhead(size_t bytes) {
  constexpr size_t kFrom = 4 * kStepBytes;   // smaller tables stay as small as they are
  const size_t lead = std::max(4 * kStepBytes, bytes / 8);
  if (sparing_ || bytes < kFrom || bytes + lead / 2 <= prefaulted_) return Commit(bytes);
  if (!Commit(bytes)) return false;
  const size_t ahead = std::min((bytes + lead) / kStepBytes * kStepBytes, reserved_);
  if (ahead <= committed_ || !Commit(ahead)) return true;
  const size_t begin = std::max(prefaulted_, bytes / kStepBytes * kStepBytes + kStepBytes);
  if (begin < ahead) PrefaultSoon(data_ + begin, ahead - begin);
  prefaulted_ = ahead;
  return true;
}

}  // namespace millrace::state
