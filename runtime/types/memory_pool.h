#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace millrace::runtime {

class MemoryPool;

// Owns bytes that many vectors may share. Counted; freed into a recycling cache and taken off its
// pool's account when the last BufferPtr goes. Written only by whoever made it, before it is shared.
class Buffer {
 public:
  char* data() { return data_; }
  const char* data() const { return data_; }
  size_t capacity() const { return capacity_; }
  bool unique() const { return references_.load(std::memory_order_acquire) == 1; }

 private:
  friend class MemoryPool;
  friend class BufferPtr;
  Buffer() = default;
  char* data_ = nullptr;
  size_t capacity_ = 0;
  MemoryPool* pool_ = nullptr;
  std::shared_ptr<const void> foreign_owner_;  // of Wrap: keeps someone else's bytes alive
  std::atomic<uint32_t> references_{1};
};

// Holds one reference to a Buffer.
class BufferPtr {
 public:
  BufferPtr() = default;
  explicit BufferPtr(Buffer* adopted) : buffer_(adopted) {}
  BufferPtr(const BufferPtr& other) : buffer_(other.buffer_) {
    if (buffer_ != nullptr) buffer_->references_.fetch_add(1, std::memory_order_relaxed);
  }
  BufferPtr(BufferPtr&& other) noexcept : buffer_(other.buffer_) { other.buffer_ = nullptr; }
  BufferPtr& operator=(BufferPtr other) noexcept {
    std::swap(buffer_, other.buffer_);
    return *this;
  }
  ~BufferPtr() { Release(); }

  Buffer* get() const { return buffer_; }
  Buffer* operator->() const { return buffer_; }
  explicit operator bool() const { return buffer_ != nullptr; }
  bool operator==(const BufferPtr& other) const { return buffer_ == other.buffer_; }

 private:
  void Release();
  Buffer* buffer_ = nullptr;
};

// Accounts for memory in a tree: process, job, operator. Every buffer is charged to one pool and,
// in steps of kQuantumBytes, to all above it. Over the budget nothing fails: overdrawn() turns
// true, and the engine evicts state, then stops sources, until it is false again.
// Thread-safe. Buffers may outlive the last shared_ptr to their pool: its account lives on until the
// last of them is freed. Children hold their parent.
class MemoryPool : public std::enable_shared_from_this<MemoryPool> {
 public:
  static constexpr int64_t kQuantumBytes = 256 * 1024;

  // budget_bytes 0: no budget of its own.
  static std::shared_ptr<MemoryPool> MakeRoot(std::string name, int64_t budget_bytes);
  std::shared_ptr<MemoryPool> MakeChild(std::string name, int64_t budget_bytes = 0);

  // Returns at least `bytes` bytes, 64-byte aligned, contents undefined, mostly from a cache of
  // freed buffers (memory that was touched before: first touch costs more than the work on it).
  BufferPtr Allocate(size_t bytes);
  // Makes a buffer over bytes that `owner` keeps alive (a network or log block). Charged once.
  BufferPtr Wrap(const char* data, size_t bytes, std::shared_ptr<const void> owner);

  // Charges memory that is not in buffers (tables, library queues). Negative gives back.
  void Charge(int64_t bytes);

  const std::string& name() const { return name_; }
  int64_t used_bytes() const { return used_.load(std::memory_order_relaxed) - 1; }
  int64_t peak_bytes() const { return peak_.load(std::memory_order_relaxed); }
  int64_t budget_bytes() const { return budget_; }
  // This pool or one above it is over its budget.
  bool overdrawn() const;

 private:
  friend class BufferPtr;
  MemoryPool(std::string name, int64_t budget_bytes, std::shared_ptr<MemoryPool> parent);
  void Free(Buffer* buffer);
  // Takes bytes off the account; deletes the pool when nothing and nobody is left.
  void Drop(int64_t bytes);
  void ChargeParent(int64_t used_now);
  ~MemoryPool();

  const std::string name_;
  const int64_t budget_;
  const std::shared_ptr<MemoryPool> parent_;
  std::atomic<int64_t> used_{0};
  std::atomic<int64_t> peak_{0};
  std::atomic<int64_t> charged_above_{0};
};

// Returns the pool of whatever no job owns (tests, tools, constants). Never freed.
MemoryPool& ProcessPool();

}  // namespace millrace::runtime
