#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "operators/aggregate/argument_lanes.h"
#include "runtime/types/logical_type.h"
#include "runtime/types/text/time_zone.h"

namespace millrace::operators {

enum class WindowKind : uint8_t { kTumble, kHop, kCumulate };

// Cuts time into slices that the windows of a node share (Flink's SliceAssigners). Times here are
// of the wall clock: UTC for TIMESTAMP, the session's zone for TIMESTAMP_LTZ. A window and a slice
// are named by their end, which they do not contain.
struct WindowSlicing {
  WindowKind kind = WindowKind::kTumble;
  int64_t size_ms = 0;  // of a window; the longest one of CUMULATE
  int64_t step_ms = 0;  // between window ends: slide, step; size of TUMBLE
  int64_t offset_ms = 0;

  // Windows of one key share slices.
  bool is_shared() const { return kind != WindowKind::kTumble; }
  // Slices follow each other at this distance.
  int64_t slice_ms() const { return step_ms; }
  int64_t SliceEnd(int64_t time) const { return Start(time, slice_ms()) + slice_ms(); }
  // End of the last window that contains a slice.
  int64_t LastWindowEnd(int64_t slice_end) const;
  int64_t WindowStart(int64_t window_end) const;
  // CUMULATE: the slice that holds what was merged of this slice's windows.
  int64_t FirstSliceEnd(int64_t slice_end) const { return WindowStart(slice_end) + step_ms; }

 private:
  int64_t Start(int64_t time, int64_t size) const;
};

// Where the windows of a row come from.
enum class WindowingStrategy : uint8_t {
  kTimeAttribute,   // from a time column, or processing time
  kWindowAttached,  // a column holds the window's end
  kSliceAttached,   // a column holds the slice's end
};

// The "windowing" field of a plan node.
struct Windowing {
  WindowingStrategy strategy = WindowingStrategy::kTimeAttribute;
  WindowSlicing slicing;
  bool is_rowtime = true;
  int time_column = -1;  // of the event time; -1: processing time
  int end_column = -1;   // of the attached end
  bool is_local =
      false;  // the time attribute is TIMESTAMP_LTZ: windows follow the zone's wall clock

  // Slices are shared among windows: not so with attached windows, each of which stands alone.
  bool is_shared() const {
    return slicing.is_shared() && strategy != WindowingStrategy::kWindowAttached;
  }
  int64_t LastWindowEnd(int64_t slice_end) const {
    return is_shared() ? slicing.LastWindowEnd(slice_end) : slice_end;
  }
};

// Reads it. Errors: kUser for what is malformed, and by name for SESSION windows.
runtime::Result<Windowing> ReadWindowing(const nlohmann::json& windowing,
                                         const runtime::RowType& input);

// Finds the slice of rows and tells when windows are due. Not thread-safe.
class SliceClock {
 public:
  // `time_zone`: the session's.
  static runtime::Result<SliceClock> Make(const Windowing& windowing, const std::string& time_zone);

  const Windowing& windowing() const { return windowing_; }
  // Writes the slice end of each row. `now_ms` is for processing time. Errors: kUser for a NULL
  // event time.
  runtime::Status Assign(const RowRange& rows, int64_t now_ms, std::vector<int64_t>* slices);
  // The watermark (or processing time) at which a window fires: Flink's toEpochMillsForTimer of its
  // last millisecond.
  int64_t TriggerTime(int64_t window_end);
  bool IsFired(int64_t window_end, int64_t progress) {
    return window_end != INT64_MAX && progress >= TriggerTime(window_end);
  }
  // A time of the wall clock as UTC, for rowtime columns of LTZ.
  int64_t ToEpoch(int64_t local_ms);
  int64_t ToLocal(int64_t utc_ms) { return shifts_ ? zone_.ToLocal(utc_ms) : utc_ms; }

 private:
  Windowing windowing_;
  runtime::TimeZone zone_;
  bool shifts_ = false;
  LaneReader reader_;
};

}  // namespace millrace::operators
