#include "operators/watermark_assigner.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "runtime/types/text/value_text.h"

namespace millrace::operators {

using runtime::Batch;
using runtime::BatchPtr;
using runtime::JobSettings;
using runtime::kMinTimestamp;
using runtime::LogicalType;
using runtime::Operator;
using runtime::OperatorSpec;
using runtime::Progress;
using runtime::Result;
using runtime::RowType;
using runtime::Status;
using runtime::Timestamp;
using runtime::Vector;
using runtime::VectorPtr;

namespace {

Status CheckIsTime(const LogicalType& type) {
  if (type.is_timestamp()) return Status::Ok();
  return Status::User("watermark expression is neither TIMESTAMP nor TIMESTAMP_LTZ: " +
                      type.ToString());
}

}  // namespace

Result<std::unique_ptr<Operator>> WatermarkAssigner::Make(const OperatorSpec& spec,
                                                          const JobSettings& settings) {
  const nlohmann::json config = nlohmann::json::parse(spec.config, nullptr, false);
  if (!config.is_object() || !config.contains("watermarkExpr") || spec.inputs.size() != 1) {
    return Status::User("watermark-assigner needs a config with \"watermarkExpr\": " + spec.config);
  }
  Config parsed;
  parsed.rowtime = config.value("rowtimeFieldIndex", -1);
  parsed.idle_timeout_ms = config.value("idleTimeoutMs", int64_t{0});
  parsed.interval_ms = config.value("intervalMs", int64_t{200});
  parsed.on_event = config.value("emit", "periodic") == "on-event" || parsed.interval_ms == 0;
  const RowType& input = spec.inputs[0];
  if (parsed.rowtime < 0 || parsed.rowtime >= static_cast<int>(input.size())) {
    return Status::User("watermark-assigner: no rowtime column " + std::to_string(parsed.rowtime));
  }
  const LogicalType& rowtime = input[static_cast<size_t>(parsed.rowtime)].type;
  RETURN_IF_ERROR(CheckIsTime(rowtime));
  ASSIGN_OR_RETURN(std::unique_ptr<Expression> expression,
                   CompileExpression(config["watermarkExpr"].dump(), input, settings));
  RETURN_IF_ERROR(CheckIsTime(expression->type()));
  return std::unique_ptr<Operator>(
      std::make_unique<WatermarkAssigner>(std::move(expression), rowtime, parsed));
}

Status WatermarkAssigner::Open(runtime::OperatorContext& context) {
  context_ = &context;
  last_row_ms_ = context.now_ms();
  SetTimer();
  return Status::Ok();
}

void WatermarkAssigner::SetTimer() {
  // Only when there is something to wait for: an idle subtask is not woken.
  if (current_ > sent_) context_->SetProcessingTimer(context_->now_ms() + config_.interval_ms);
  if (config_.idle_timeout_ms > 0 && !idle_) {
    context_->SetProcessingTimer(last_row_ms_ + config_.idle_timeout_ms + 1);
  }
}

Status WatermarkAssigner::ReadMarks(const Batch& batch) {
  const Vector& rowtime = batch.column(config_.rowtime);
  EvaluationContext context{&context_->pool(), context_->now_ms(), context_->watermark()};
  ASSIGN_OR_RETURN(const VectorPtr marks, expression_->Evaluate(context, batch));
  const int precision = expression_->type().precision();
  const int32_t rows = batch.num_rows();
  marks_.resize(static_cast<size_t>(rows));
  times_.resize(static_cast<size_t>(rows));
  Timestamp highest = current_;
  for (int32_t i = 0; i < rows; ++i) {
    const int32_t row = batch.PhysicalRow(i);
    if (rowtime.IsNull(row)) {
      return Status::User(
          "RowTime field should not be null, please convert it to a non-null long value.");
    }
    times_[static_cast<size_t>(i)] =
        runtime::TimestampAt(rowtime, rowtime_type_.precision(), row).ms;
    if (!marks->IsNull(row)) {
      highest = std::max(highest, runtime::TimestampAt(*marks, precision, row).ms);
    }
    marks_[static_cast<size_t>(i)] = highest;
  }
  return Status::Ok();
}

Result<Progress> WatermarkAssigner::Process(int, const BatchPtr& batch, runtime::Output& out) {
  if (cursor_ == 0) {
    RETURN_IF_ERROR(ReadMarks(*batch));
    idle_ = false;
    last_row_ms_ = context_->now_ms();
  }
  const int64_t interval_ms = config_.on_event ? 0 : config_.interval_ms;
  const int32_t rows = batch->num_rows();
  const int32_t begin = cursor_;
  int32_t end = begin;
  for (; end < rows; ++end) {
    const auto at = static_cast<size_t>(end);
    const bool cut_before = due_ > sent_ && (config_.on_event || times_[at] <= due_) && end > begin;
    if (cut_before) break;
    current_ = std::max(current_, marks_[at]);
    if (current_ - due_ > interval_ms) due_ = current_;
  }
  if (due_ > sent_) {
    sent_ = due_;
    next_ = due_;
  }
  out.Emit(begin == 0 && end == rows
               ? batch
               : runtime::SliceRows(context_->pool(), batch, begin, end - begin));
  cursor_ = end == rows ? 0 : end;
  if (cursor_ != 0) return Progress::kMore;
  SetTimer();
  return Progress::kNeedInput;
}

Result<Progress> WatermarkAssigner::OnTimer(int64_t now_ms, runtime::Output&) {
  if (current_ > sent_) {
    sent_ = current_;
    due_ = current_;
    next_ = current_;
  }
  if (config_.idle_timeout_ms > 0 && now_ms - last_row_ms_ > config_.idle_timeout_ms) idle_ = true;
  SetTimer();
  return Progress::kNeedInput;
}

Timestamp WatermarkAssigner::NextWatermark() {
  const Timestamp time = next_;
  next_ = kMinTimestamp;
  return time;
}

Result<std::unique_ptr<runtime::WatermarkGenerator>> SqlWatermarkGenerator::Make(
    const std::string& config_json, const RowType& row, const JobSettings& settings) {
  const nlohmann::json config = nlohmann::json::parse(config_json, nullptr, false);
  if (!config.is_object()) return Status::User("not a watermark expression: " + config_json);
  const nlohmann::json expression =
      config.contains("watermarkExpr") ? config["watermarkExpr"] : config;
  ASSIGN_OR_RETURN(std::unique_ptr<Expression> compiled,
                   CompileExpression(expression.dump(), row, settings));
  RETURN_IF_ERROR(CheckIsTime(compiled->type()));
  return std::unique_ptr<runtime::WatermarkGenerator>(
      std::make_unique<SqlWatermarkGenerator>(std::move(compiled)));
}

Result<Timestamp> SqlWatermarkGenerator::OnBatch(const Batch& batch,
                                                 std::vector<Timestamp>* marks) {
  ASSIGN_OR_RETURN(const VectorPtr values, expression_->Evaluate(EvaluationContext(), batch));
  const int precision = expression_->type().precision();
  marks->resize(static_cast<size_t>(batch.num_rows()));
  for (int32_t i = 0; i < batch.num_rows(); ++i) {
    const int32_t row = batch.PhysicalRow(i);
    if (!values->IsNull(row)) {
      current_ = std::max(current_, runtime::TimestampAt(*values, precision, row).ms);
    }
    (*marks)[static_cast<size_t>(i)] = current_;
  }
  return current_;
}

}  // namespace millrace::operators
