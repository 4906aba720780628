#include "runtime/types/text/time_zone.h"

#include <date/tz.h>

#include <algorithm>
#include <cctype>

namespace millrace::runtime {
namespace {

using Milliseconds = std::chrono::milliseconds;
using SysMs = date::sys_time<Milliseconds>;

int64_t ClampedMs(date::sys_seconds time) {
  // The tables end at years that overflow milliseconds.
  constexpr int64_t kLimit = INT64_MAX / 1000;
  return std::clamp<int64_t>(time.time_since_epoch().count(), -kLimit, kLimit) * 1000;
}

// Reads "+8", "+08", "-08:30", "+083000".
bool ParseOffset(std::string_view text, int64_t* offset_ms) {
  if (text.size() < 2 || (text[0] != '+' && text[0] != '-')) return false;
  const bool negative = text[0] == '-';
  int fields[3] = {0, 0, 0};
  int field = 0;
  int digits = 0;
  for (char c : text.substr(1)) {
    if (c == ':') {
      if (digits == 0 || ++field > 2) return false;
      digits = 0;
      continue;
    }
    if (!std::isdigit(static_cast<unsigned char>(c))) return false;
    if (digits == 2) {
      if (++field > 2) return false;
      digits = 0;
    }
    fields[field] = fields[field] * 10 + (c - '0');
    ++digits;
  }
  if (digits == 0 || fields[0] > 18 || fields[1] > 59 || fields[2] > 59) return false;
  const int64_t ms = ((fields[0] * 60LL + fields[1]) * 60 + fields[2]) * 1000;
  *offset_ms = negative ? -ms : ms;
  return true;
}

}  // namespace

Result<TimeZone> TimeZone::Find(std::string_view name) {
  TimeZone zone;
  zone.name_ = name;
  if (name == "UTC" || name == "Z" || name == "GMT" || name == "UT") return zone;
  std::string_view rest = name;
  for (std::string_view prefix : {"UTC", "GMT", "UT"}) {
    if (rest.starts_with(prefix)) {
      rest.remove_prefix(prefix.size());
      break;
    }
  }
  if (ParseOffset(rest, &zone.offset_ms_)) return zone;
  try {
    zone.zone_ = date::locate_zone(std::string(name));
  } catch (const std::exception&) {
    return Status::User(
        "time zone is not known (names are as in the IANA database, which package "
        "tzdata brings, or GMT+8, or +08:00): '" +
        std::string(name) + "'");
  }
  return zone;
}

int64_t TimeZone::StandardOffset() const {
  constexpr int64_t kTodayMs = INT64_C(1735689600000);  // 2025
  const auto* zone = static_cast<const date::time_zone*>(zone_);
  const date::sys_info info = zone->get_info(SysMs(Milliseconds(kTodayMs)));
  return (std::chrono::seconds(info.offset) - info.save).count() * 1000;
}

int64_t TimeZone::Seek(int64_t utc_ms) {
  const auto* zone = static_cast<const date::time_zone*>(zone_);
  const date::sys_info info = zone->get_info(SysMs(Milliseconds(utc_ms)));
  begin_ms_ = ClampedMs(info.begin);
  end_ms_ = ClampedMs(info.end);
  offset_ms_ = info.offset.count() * 1000;
  return offset_ms_;
}

int64_t TimeZone::ToUtc(int64_t local_ms) {
  if (zone_ == nullptr) return local_ms - offset_ms_;
  // More than a day from both transitions, the offset is that of the stretch.
  constexpr int64_t kDay = 86'400'000;
  const int64_t guess = local_ms - offset_ms_;
  if (guess >= begin_ms_ + kDay && guess < end_ms_ - kDay) return guess;
  const auto* zone = static_cast<const date::time_zone*>(zone_);
  const date::local_info info =
      zone->get_info(date::local_time<Milliseconds>(Milliseconds(local_ms)));
  // Unique, ambiguous (first: the earlier one) and skipped (first: the offset before the gap).
  const int64_t utc_ms = local_ms - info.first.offset.count() * 1000;
  Seek(utc_ms);
  return utc_ms;
}

}  // namespace millrace::runtime
