#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace millrace::tests {

// Hashes what happens in a simulation, and prints it if asked: two runs of one seed must give the
// same hash. Ids that are random in every process (16 and more hex digits) do not count.
class Trace {
 public:
  explicit Trace(bool print) : print_(print) {}
  void Note(int64_t now_nanos, std::string_view what, std::string_view text = {}, int64_t a = 0,
            int64_t b = 0);
  uint64_t hash() const { return hash_; }
  uint64_t events() const { return events_; }

 private:
  void Add(std::string_view text);
  void Add(uint64_t number) { hash_ = (hash_ ^ number) * 0x100000001b3u + (hash_ >> 29); }

  const bool print_;
  uint64_t hash_ = 0xcbf29ce484222325u;
  uint64_t events_ = 0;
};

}  // namespace millrace::tests
