#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "operators/expression/expression.h"
#include "runtime/api/operator.h"
#include "runtime/api/source.h"

namespace millrace::operators {

// Makes watermarks from rows (WATERMARK FOR ... AS expression): the running maximum of the
// expression, starting at 0 as Flink's operator. Watermarks of the input are swallowed, but for the
// last.
//
// Config: {"watermarkExpr": expression, "rowtimeFieldIndex": n, "idleTimeoutMs": 0,
//          "emit": "periodic" or "on-event", "intervalMs": 200}
//
// periodic: as Flink's WatermarkAssignerOperator, the watermark is due behind a row once it has
// risen by more than intervalMs since the last one, and every intervalMs of processing time. A due
// watermark waits for the end of the batch as long as no row in between would be late by it: so the
// rows that count as late are those of Flink, and batches of orderly streams are not cut. on-event:
// a batch is cut wherever the watermark rises.
class WatermarkAssigner : public runtime::Operator {
 public:
  struct Config {
    int rowtime = -1;
    int64_t idle_timeout_ms = 0;
    int64_t interval_ms = 200;
    bool on_event = false;
  };
  static runtime::Result<std::unique_ptr<runtime::Operator>> Make(
      const runtime::OperatorSpec& spec, const runtime::JobSettings& settings);
  WatermarkAssigner(std::unique_ptr<Expression> expression, runtime::LogicalType rowtime_type,
                    Config config)
      : expression_(std::move(expression)),
        rowtime_type_(std::move(rowtime_type)),
        config_(config) {}

  runtime::Status Open(runtime::OperatorContext& context) override;
  runtime::Result<runtime::Progress> Process(int input, const runtime::BatchPtr& batch,
                                             runtime::Output& out) override;
  runtime::Result<runtime::Progress> OnTimer(int64_t now_ms, runtime::Output& out) override;
  runtime::Timestamp ForwardWatermark(runtime::Timestamp time) override {
    return time == runtime::kMaxTimestamp ? time : runtime::kMinTimestamp;
  }
  runtime::Timestamp NextWatermark() override;
  std::optional<bool> Idle() const override {
    return config_.idle_timeout_ms > 0 ? std::optional<bool>(idle_) : std::nullopt;
  }

 private:
  runtime::Status ReadMarks(const runtime::Batch& batch);
  void SetTimer();

  std::unique_ptr<Expression> expression_;
  runtime::LogicalType rowtime_type_;
  Config config_;
  runtime::OperatorContext* context_ = nullptr;

  runtime::Timestamp current_ = 0;  // the maximum so far
  runtime::Timestamp due_ = 0;      // what Flink would have sent
  runtime::Timestamp sent_ = 0;     // what was sent, or will be by NextWatermark
  runtime::Timestamp next_ = runtime::kMinTimestamp;
  int64_t last_row_ms_ = 0;
  bool idle_ = false;

  // The batch at hand: its marks and event times by row, and the row to go on at.
  std::vector<runtime::Timestamp> marks_;
  std::vector<runtime::Timestamp> times_;
  int32_t cursor_ = 0;
};

// The watermarks of a source's split: the same expression, without emission.
class SqlWatermarkGenerator : public runtime::WatermarkGenerator {
 public:
  // config_json: {"watermarkExpr": expression}, or the expression itself.
  static runtime::Result<std::unique_ptr<runtime::WatermarkGenerator>> Make(
      const std::string& config_json, const runtime::RowType& row,
      const runtime::JobSettings& settings);
  explicit SqlWatermarkGenerator(std::unique_ptr<Expression> expression)
      : expression_(std::move(expression)) {}
  runtime::Result<runtime::Timestamp> OnBatch(const runtime::Batch& batch,
                                              std::vector<runtime::Timestamp>* marks) override;

 private:
  std::unique_ptr<Expression> expression_;
  runtime::Timestamp current_ = runtime::kMinTimestamp;
};

}  // namespace millrace::operators
