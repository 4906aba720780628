#include "tests/simulation/fiber.h"

#include <sys/mman.h>

#include <vector>

#include "runtime/types/check.h"

namespace millrace::tests {

namespace {

constexpr size_t kStackBytes = 1 << 20;  // of which what is touched costs memory

thread_local Fiber* current = nullptr;

std::vector<char*>& FreeStacks() {
  thread_local std::vector<char*> stacks;
  return stacks;
}

char* TakeStack() {
  auto& free = FreeStacks();
  if (!free.empty()) {
    char* stack = free.back();
    free.pop_back();
    return stack;
  }
  void* stack = ::mmap(nullptr, kStackBytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);
  CHECK_THAT_HOLDS(stack != MAP_FAILED);
  CHECK_THAT_HOLDS(::mprotect(stack, 4096, PROT_NONE) == 0);
  return static_cast<char*>(stack);
}

}  // namespace

Fiber::Fiber(std::function<void()> work) : work_(std::move(work)), stack_(TakeStack()) {
  CHECK_THAT_HOLDS(::getcontext(&context_) == 0);
  context_.uc_stack.ss_sp = stack_;
  context_.uc_stack.ss_size = kStackBytes;
  context_.uc_link = nullptr;
  ::makecontext(&context_, &Fiber::Enter, 0);
}

Fiber::~Fiber() {
  CHECK_THAT_HOLDS(done_ || !started_);
  FreeStacks().push_back(stack_);
}

void Fiber::Enter() {
  Fiber* self = current;
  self->work_();
  self->work_ = nullptr;
  self->done_ = true;
  Yield();
}

void Fiber::Resume() {
  CHECK_THAT_HOLDS(current == nullptr && !done_);
  current = this;
  started_ = true;
  ::swapcontext(&resumer_, &context_);
  current = nullptr;
}

void Fiber::Yield() {
  Fiber* self = current;
  CHECK_THAT_HOLDS(self != nullptr);
  ::swapcontext(&self->context_, &self->resumer_);
}

Fiber* Fiber::Current() { return current; }

}  // namespace millrace::tests
