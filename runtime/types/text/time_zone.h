#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "runtime/types/status.h"

namespace millrace::runtime {

// Converts between UTC and the wall clock of one zone. Holds the stretch between two transitions
// that was asked last, so that conversions of nearby times cost a comparison. Copy one per thread
// (copies share the zone data); not thread-safe.
class TimeZone {
 public:
  // UTC.
  TimeZone() = default;
  // Finds "Asia/Shanghai", "UTC", "GMT+8", "GMT+08:00", "+08:00", "Z"; needs the system's tzdata
  // for named zones.
  static Result<TimeZone> Find(std::string_view name);

  const std::string& name() const { return name_; }
  bool is_utc() const { return zone_ == nullptr && offset_ms_ == 0; }

  // Milliseconds that the wall clock is ahead of UTC at a time of UTC.
  int64_t OffsetAtUtc(int64_t utc_ms) {
    if (zone_ == nullptr || (utc_ms >= begin_ms_ && utc_ms < end_ms_)) return offset_ms_;
    return Seek(utc_ms);
  }
  // As java.util.TimeZone, which takes today's standard time for all time before 1900, where
  // java.time has the local mean time.
  int64_t OffsetOfTimeZoneAtUtc(int64_t utc_ms) {
    constexpr int64_t kFrom1900Ms = INT64_C(-2208988800000);
    return zone_ == nullptr || utc_ms >= kFrom1900Ms ? OffsetAtUtc(utc_ms) : StandardOffset();
  }
  int64_t ToLocal(int64_t utc_ms) { return utc_ms + OffsetAtUtc(utc_ms); }
  // As Java's LocalDateTime.atZone: a time that occurs twice is the earlier one, a skipped one
  // moves on by the length of the gap.
  int64_t ToUtc(int64_t local_ms);

 private:
  int64_t Seek(int64_t utc_ms);
  int64_t StandardOffset() const;

  std::string name_ = "UTC";
  const void* zone_ = nullptr;  // date::time_zone; null: fixed offset
  int64_t begin_ms_ = 0;
  int64_t end_ms_ = 0;
  int64_t offset_ms_ = 0;
};

}  // namespace millrace::runtime
