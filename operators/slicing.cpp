#include "operators/slicing.h"

#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "operators/aggregate/plan_fields.h"

namespace millrace::operators {

using nlohmann::json;
using runtime::Result;
using runtime::Status;

namespace {

constexpr int64_t kHourMs = 3'600'000;

Result<WindowSlicing> ReadWindow(const json& window) {
  WindowSlicing slicing;
  ASSIGN_OR_RETURN(const std::string type, ReadString(window, "type", ""));
  ASSIGN_OR_RETURN(slicing.offset_ms, ReadDurationMs(window, "offset", 0));
  const char* size_field = "size";
  const char* step_field = nullptr;
  if (type == "TumblingWindow") {
    slicing.kind = WindowKind::kTumble;
  } else if (type == "HoppingWindow") {
    slicing.kind = WindowKind::kHop;
    step_field = "slide";
  } else if (type == "CumulativeWindow") {
    slicing.kind = WindowKind::kCumulate;
    size_field = "maxSize";
    step_field = "step";
  } else {
    return Status::User(
        "window is not supported; supported are tumbling, hopping and cumulative: '" + type + "'");
  }
  ASSIGN_OR_RETURN(slicing.size_ms, ReadDurationMs(window, size_field, 0));
  slicing.step_ms = slicing.size_ms;
  if (step_field != nullptr) {
    ASSIGN_OR_RETURN(slicing.step_ms, ReadDurationMs(window, step_field, 0));
  }
  if (slicing.size_ms <= 0 || slicing.step_ms <= 0) {
    return Status::User("window has no positive size and step: " + window.dump());
  }
  if (slicing.size_ms % slicing.step_ms != 0) {
    return Status::User("window's size is no multiple of its step: " + window.dump());
  }
  if (slicing.kind == WindowKind::kTumble && std::abs(slicing.offset_ms) >= slicing.size_ms) {
    return Status::User("window's offset is not below its size: " + window.dump());
  }
  return slicing;
}

}  // namespace

int64_t WindowSlicing::Start(int64_t time, int64_t size) const {
  const int64_t remainder = (time - offset_ms) % size;
  return remainder < 0 ? time - (remainder + size) : time - remainder;
}

int64_t WindowSlicing::LastWindowEnd(int64_t slice_end) const {
  switch (kind) {
    case WindowKind::kTumble:
      return slice_end;
    case WindowKind::kHop:
      return slice_end - slice_ms() + size_ms;
    case WindowKind::kCumulate:
      return WindowStart(slice_end) + size_ms;
  }
  return slice_end;
}

int64_t WindowSlicing::WindowStart(int64_t window_end) const {
  return kind == WindowKind::kCumulate ? Start(window_end - 1, size_ms) : window_end - size_ms;
}

Result<Windowing> ReadWindowing(const json& windowing, const runtime::RowType& input) {
  if (!windowing.is_object()) return Status::User("node has no windowing");
  Windowing read;
  const auto window = windowing.find("window");
  if (window == windowing.end() || !window->is_object()) {
    return Status::User("windowing has no window");
  }
  ASSIGN_OR_RETURN(read.slicing, ReadWindow(*window));
  ASSIGN_OR_RETURN(read.is_rowtime, ReadBoolean(windowing, "isRowtime", true));
  const auto type = windowing.find("timeAttributeType");
  if (type != windowing.end()) {
    ASSIGN_OR_RETURN(const runtime::LogicalType attribute, ReadType(*type));
    read.is_local = attribute.kind() == runtime::TypeKind::kTimestampLtz;
  }
  ASSIGN_OR_RETURN(const std::string strategy, ReadString(windowing, "strategy", ""));
  const char* column_field = "timeAttributeIndex";
  int* column = &read.time_column;
  if (strategy == "WindowAttached") {
    read.strategy = WindowingStrategy::kWindowAttached;
    column_field = "windowEnd";
    column = &read.end_column;
  } else if (strategy == "SliceAttached") {
    read.strategy = WindowingStrategy::kSliceAttached;
    column_field = "sliceEnd";
    column = &read.end_column;
  } else if (strategy != "TimeAttribute") {
    return Status::User("windowing strategy is not supported: '" + strategy + "'");
  }
  if (read.strategy == WindowingStrategy::kTimeAttribute && !read.is_rowtime) return read;
  ASSIGN_OR_RETURN(const int64_t index, ReadInteger(windowing, column_field, -1));
  *column = static_cast<int>(index);
  if (index < 0 || index >= static_cast<int64_t>(input.size())) {
    return Status::User("windowing's " + std::string(column_field) +
                        " is no input column: " + std::to_string(index));
  }
  if (input[static_cast<size_t>(index)].type.physical() != runtime::PhysicalType::kInt64) {
    return Status::User("windowing's " + std::string(column_field) + " is of type " +
                        input[static_cast<size_t>(index)].type.ToString());
  }
  return read;
}

Result<SliceClock> SliceClock::Make(const Windowing& windowing, const std::string& time_zone) {
  SliceClock clock;
  clock.windowing_ = windowing;
  if (windowing.is_local) {
    ASSIGN_OR_RETURN(clock.zone_, runtime::TimeZone::Find(time_zone));
    clock.shifts_ = !clock.zone_.is_utc();
  }
  return clock;
}

int64_t SliceClock::ToEpoch(int64_t local_ms) {
  if (!shifts_ || local_ms == INT64_MAX) return local_ms;
  return zone_.ToUtc(local_ms);
}

int64_t SliceClock::TriggerTime(int64_t window_end) {
  const int64_t last = window_end - 1;
  if (!shifts_) return last;
  // Where the clock is set back, the later of the two times; in a gap its beginning.
  const int64_t first = zone_.ToUtc(last);
  const int64_t hour_later = zone_.ToUtc(last + kHourMs);
  if (first == hour_later) return first - first % kHourMs;
  if (hour_later - first > kHourMs) return first + kHourMs;
  return first;
}

Status SliceClock::Assign(const RowRange& rows, int64_t now_ms, std::vector<int64_t>* slices) {
  slices->resize(static_cast<size_t>(rows.count));
  int64_t* to = slices->data();
  const WindowSlicing& slicing = windowing_.slicing;
  if (windowing_.strategy == WindowingStrategy::kTimeAttribute && windowing_.time_column < 0) {
    std::fill_n(to, rows.count, slicing.SliceEnd(ToLocal(now_ms)));
    return Status::Ok();
  }
  const bool attached = windowing_.strategy != WindowingStrategy::kTimeAttribute;
  const runtime::Vector& column =
      rows.batch->column(attached ? windowing_.end_column : windowing_.time_column);
  if (column.may_have_nulls()) {
    for (int32_t i = 0; i < rows.count; ++i) {
      if (column.IsNull(rows.PhysicalRow(i))) {
        return Status::User(
            "RowTime field should not be null, please convert it to a non-null long value.");
      }
    }
  }
  const auto* times = static_cast<const int64_t*>(reader_.ReadValues(rows, column));
  if (attached) {
    std::copy_n(times, rows.count, to);
    return Status::Ok();
  }
  if (rows.count == 0) return Status::Ok();
  if (shifts_) {
    for (int32_t i = 0; i < rows.count; ++i) to[i] = slicing.SliceEnd(zone_.ToLocal(times[i]));
    return Status::Ok();
  }
  // Times of a batch mostly lie in one slice: no division then.
  int64_t lowest = times[0];
  int64_t highest = times[0];
  for (int32_t i = 1; i < rows.count; ++i) {
    lowest = std::min(lowest, times[i]);
    highest = std::max(highest, times[i]);
  }
  int64_t end = slicing.SliceEnd(lowest);
  if (highest < end) {
    std::fill_n(to, rows.count, end);
    return Status::Ok();
  }
  for (int32_t i = 0; i < rows.count; ++i) {
    if (times[i] >= end || times[i] < end - slicing.slice_ms()) end = slicing.SliceEnd(times[i]);
    to[i] = end;
  }
  return Status::Ok();
}

}  // namespace millrace::operators
