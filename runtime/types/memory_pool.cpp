#include "runtime/types/memory_pool.h"

#include <bit>
#include <cstdlib>
#include <mutex>
#include <new>
#include <vector>

#include "runtime/types/check.h"

namespace millrace::runtime {

namespace {

constexpr size_t kHeaderBytes = 64;
constexpr int kMinClass = 9;   // 512 bytes
constexpr int kMaxClass = 22;  // 4 MiB; larger buffers go to the allocator and back
constexpr int kClasses = kMaxClass - kMinClass + 1;

// Freed blocks by size class. Each thread keeps some; what is over goes to a shared list, since a
// consumer frees what a producer allocates.
struct SharedLists {
  std::mutex mutex;
  std::vector<char*> blocks[kClasses];
};
SharedLists& Shared() {
  static auto* shared = new SharedLists();
  return *shared;
}

size_t BlocksKept(int size_class) { return size_class < 7 ? 64 : (size_class < 10 ? 16 : 4); }

struct ThreadLists {
  std::vector<char*> blocks[kClasses];
  ~ThreadLists() {
    SharedLists& shared = Shared();
    std::lock_guard lock(shared.mutex);
    for (int i = 0; i < kClasses; ++i) {
      shared.blocks[i].insert(shared.blocks[i].end(), blocks[i].begin(), blocks[i].end());
    }
  }
};
thread_local ThreadLists thread_lists;

int ClassOf(size_t bytes) {
  const int log = bytes <= 1 ? 0 : std::bit_width(bytes - 1);
  return log <= kMinClass ? 0 : log - kMinClass;
}

char* TakeBlock(int size_class) {
  auto& mine = thread_lists.blocks[size_class];
  if (mine.empty()) {
    SharedLists& shared = Shared();
    std::lock_guard lock(shared.mutex);
    auto& theirs = shared.blocks[size_class];
    const size_t take = std::min(theirs.size(), BlocksKept(size_class) / 2 + 1);
    mine.insert(mine.end(), theirs.end() - static_cast<ptrdiff_t>(take), theirs.end());
    theirs.resize(theirs.size() - take);
  }
  if (mine.empty()) {
    return static_cast<char*>(
        std::aligned_alloc(64, kHeaderBytes + (size_t{1} << (size_class + kMinClass))));
  }
  char* block = mine.back();
  mine.pop_back();
  return block;
}

void GiveBlock(char* block, int size_class) {
  auto& mine = thread_lists.blocks[size_class];
  mine.push_back(block);
  if (mine.size() <= BlocksKept(size_class)) return;
  SharedLists& shared = Shared();
  const size_t keep = BlocksKept(size_class) / 2;
  std::vector<char*> surplus;
  {
    std::lock_guard lock(shared.mutex);
    auto& theirs = shared.blocks[size_class];
    const size_t room = 32 * BlocksKept(size_class);
    while (mine.size() > keep) {
      (theirs.size() < room ? theirs : surplus).push_back(mine.back());
      mine.pop_back();
    }
  }
  for (char* freed : surplus) std::free(freed);
}

}  // namespace

// `used_` starts at 1, the owner's share: whoever takes it to 0 deletes the pool, be that the owner
// or the last buffer that outlives it.
MemoryPool::MemoryPool(std::string name, int64_t budget_bytes, std::shared_ptr<MemoryPool> parent)
    : name_(std::move(name)), budget_(budget_bytes), parent_(std::move(parent)) {
  used_.store(1, std::memory_order_relaxed);
}

std::shared_ptr<MemoryPool> MemoryPool::MakeRoot(std::string name, int64_t budget_bytes) {
  return {new MemoryPool(std::move(name), budget_bytes, nullptr), [](MemoryPool* p) { p->Drop(1); }};
}

std::shared_ptr<MemoryPool> MemoryPool::MakeChild(std::string name, int64_t budget_bytes) {
  return {new MemoryPool(std::move(name), budget_bytes, shared_from_this()),
          [](MemoryPool* p) { p->Drop(1); }};
}

MemoryPool::~MemoryPool() {
  if (parent_ != nullptr) parent_->Charge(-charged_above_.load());
}

void MemoryPool::Drop(int64_t bytes) {
  const int64_t before = used_.fetch_sub(bytes, std::memory_order_acq_rel);
  CHECK_THAT_HOLDS(before >= bytes);
  if (before == bytes) {
    delete this;
  } else {
    const int64_t now = before - bytes;
    if (now < charged_above_.load(std::memory_order_relaxed) - 2 * kQuantumBytes) ChargeParent(now);
  }
}

void MemoryPool::Charge(int64_t bytes) {
  if (bytes < 0) {
    Drop(-bytes);
  } else {
    const int64_t now = used_.fetch_add(bytes, std::memory_order_relaxed) + bytes;
    if (now > charged_above_.load(std::memory_order_relaxed)) ChargeParent(now);
  }
}

void MemoryPool::ChargeParent(int64_t used_now) {
  int64_t above = charged_above_.load(std::memory_order_relaxed);
  const int64_t wanted = (used_now + kQuantumBytes - 1) / kQuantumBytes * kQuantumBytes;
  if (wanted == above || !charged_above_.compare_exchange_strong(above, wanted)) return;
  if (wanted > peak_.load(std::memory_order_relaxed)) {
    peak_.store(wanted, std::memory_order_relaxed);
  }
  if (parent_ != nullptr) parent_->Charge(wanted - above);
}

bool MemoryPool::overdrawn() const {
  for (const MemoryPool* pool = this; pool != nullptr; pool = pool->parent_.get()) {
    if (pool->budget_ > 0 && pool->used_bytes() > pool->budget_) return true;
  }
  return false;
}

BufferPtr MemoryPool::Allocate(size_t bytes) {
  char* block;
  size_t capacity;
  const int size_class = ClassOf(bytes);
  if (size_class < kClasses) {
    capacity = size_t{1} << (size_class + kMinClass);
    block = TakeBlock(size_class);
  } else {
    capacity = (bytes + 63) / 64 * 64;
    block = static_cast<char*>(std::aligned_alloc(64, kHeaderBytes + capacity));
  }
  CHECK_THAT_HOLDS(block != nullptr);
  static_assert(sizeof(Buffer) <= kHeaderBytes);
  auto* buffer = new (block) Buffer();
  buffer->data_ = block + kHeaderBytes;
  buffer->capacity_ = capacity;
  buffer->pool_ = this;
  Charge(static_cast<int64_t>(capacity));
  return BufferPtr(buffer);
}

BufferPtr MemoryPool::Wrap(const char* data, size_t bytes, std::shared_ptr<const void> owner) {
  auto* buffer = new Buffer();
  buffer->data_ = const_cast<char*>(data);  // read only by contract: shared from the start
  buffer->capacity_ = bytes;
  buffer->pool_ = this;
  buffer->foreign_owner_ = std::move(owner);
  Charge(static_cast<int64_t>(bytes));
  return BufferPtr(buffer);
}

void MemoryPool::Free(Buffer* buffer) {
  const auto bytes = static_cast<int64_t>(buffer->capacity_);
  if (buffer->foreign_owner_ != nullptr) {
    delete buffer;
  } else {
    const size_t capacity = buffer->capacity_;
    char* block = reinterpret_cast<char*>(buffer);
    buffer->~Buffer();
    const int size_class = ClassOf(capacity);
    if (size_class < kClasses) {
      GiveBlock(block, size_class);
    } else {
      std::free(block);
    }
  }
  Drop(bytes);
}

void BufferPtr::Release() {
  if (buffer_ == nullptr) return;
  if (buffer_->references_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
    buffer_->pool_->Free(buffer_);
  }
  buffer_ = nullptr;
}

MemoryPool& ProcessPool() {
  static auto* pool = new std::shared_ptr<MemoryPool>(MemoryPool::MakeRoot("process", 0));
  return **pool;
}

}  // namespace millrace::runtime
