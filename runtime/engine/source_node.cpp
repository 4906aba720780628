#include "runtime/engine/source_node.h"

#include <algorithm>
#include <utility>

namespace millrace::runtime {

SourceNode::SourceNode(std::string uid, std::unique_ptr<SourceReader> reader,
                       std::function<Result<std::unique_ptr<WatermarkGenerator>>()> make_generator,
                       WatermarkSettings watermarks, std::unique_ptr<NodeOperatorContext> context)
    : uid_(std::move(uid)),
      context_(std::move(context)),
      reader_(std::move(reader)),
      make_generator_(std::move(make_generator)),
      watermarks_(watermarks),
      records_out_(context_->metrics().counter("numRecordsOut")),
      watermark_metric_(context_->metrics().gauge("currentOutputWatermark")) {
  watermark_metric_.Set(kMinTimestamp);
}
SourceNode::~SourceNode() = default;

Status SourceNode::AddSplits(const std::vector<Split>& splits) {
  assigned_ = true;
  for (const Split& split : splits) {
    SplitState state;
    state.id = split.id;
    state.last_row_ms = context_->now_ms();
    if (make_generator_) {
      ASSIGN_OR_RETURN(state.generator, make_generator_());
    }
    splits_.push_back(std::move(state));
  }
  return reader_->AddSplits(splits);
}

void SourceNode::NoMoreSplits() { reader_->NoMoreSplits(); }

std::vector<std::string> SourceNode::TakeFinishedSplits() {
  return std::exchange(finished_splits_, {});
}

std::vector<std::string> SourceNode::FinishedSplitsFor(int64_t barrier_id) {
  std::erase_if(unheard_splits_,
                [&](const FinishedSplit& split) { return split.heard_since < barrier_id; });
  std::vector<std::string> ids;
  for (const FinishedSplit& split : unheard_splits_) ids.push_back(split.id);
  return ids;
}

void SourceNode::ForgetFinishedSplits(const std::vector<std::string>& ids, int64_t since) {
  for (FinishedSplit& split : unheard_splits_) {
    if (std::find(ids.begin(), ids.end(), split.id) != ids.end()) split.heard_since = since;
  }
}

Timestamp SourceNode::Combined() const {
  Timestamp least = kMaxTimestamp;
  bool any = false;
  for (const SplitState& split : splits_) {
    if (split.idle || split.finished) continue;
    any = true;
    least = std::min(least, split.watermark);
  }
  return any ? least : kMinTimestamp;
}

void SourceNode::UpdateWatermark(bool emit_now) {
  if (!make_generator_ || !assigned_) return;
  const int64_t now = context_->now_ms();
  bool all_idle = true;
  const SplitState* slowest = nullptr;
  for (SplitState& split : splits_) {
    if (watermarks_.idle_timeout_ms > 0 && !split.finished && !split.idle &&
        now - split.last_row_ms >= watermarks_.idle_timeout_ms) {
      split.idle = true;
    }
    all_idle &= split.idle || split.finished;
    if (!split.idle && !split.finished &&
        (slowest == nullptr || split.watermark < slowest->watermark)) {
      slowest = &split;
    }
  }
  const Timestamp combined = Combined();
  const bool due =
      emit_now || watermarks_.on_event || now - last_emit_ms_ >= watermarks_.interval_ms;
  if (combined > sent_watermark_ && due) {
    sent_watermark_ = combined;
    last_emit_ms_ = now;
    watermark_metric_.Set(combined);
    Emit(Element::Watermark(combined));
  }
  if (due && slowest != nullptr) context_->metrics().SetText("watermarkHeldBackBy", slowest->id);
  // Without splits nothing can ever come from here: do not hold others back.
  if (all_idle != sent_idle_) {
    sent_idle_ = all_idle;
    Emit(Element::Just(all_idle ? Element::Kind::kIdle : Element::Kind::kActive));
  }
}

Status SourceNode::TakeBatch(const ReadOutput& read) {
  SplitState* split = read.split >= 0 ? &splits_[static_cast<size_t>(read.split)] : nullptr;
  if (read.batch != nullptr) {
    records_out_.Add(read.batch->num_rows());
    CHECK_THAT_HOLDS(split != nullptr);
    split->last_row_ms = context_->now_ms();
    split->idle = false;
    if (sent_idle_) UpdateWatermark(false);
    if (split->generator == nullptr) {
      Emit(Element::Of(read.batch));
    } else {
      ASSIGN_OR_RETURN(const Timestamp last, split->generator->OnBatch(*read.batch, &marks_));
      if (!watermarks_.on_event) {
        Emit(Element::Of(read.batch));
        split->watermark = std::max(split->watermark, last);
      } else {
        // Cuts wherever the watermark of all splits rises.
        int32_t begin = 0;
        for (int32_t row = 0; row < read.batch->num_rows(); ++row) {
          if (marks_[static_cast<size_t>(row)] <= split->watermark) continue;
          split->watermark = marks_[static_cast<size_t>(row)];
          if (Combined() <= sent_watermark_) continue;
          Emit(Element::Of(SliceRows(context_->pool(), read.batch, begin, row + 1 - begin)));
          begin = row + 1;
          UpdateWatermark(true);
        }
        if (begin < read.batch->num_rows()) {
          Emit(Element::Of(
              SliceRows(context_->pool(), read.batch, begin, read.batch->num_rows() - begin)));
        }
      }
    }
  }
  if (split != nullptr && read.watermark > split->watermark) split->watermark = read.watermark;
  if (read.split_finished) {
    CHECK_THAT_HOLDS(split != nullptr);
    split->finished = true;
    finished_splits_.push_back(split->id);
    unheard_splits_.push_back({split->id});
  }
  UpdateWatermark(false);
  return Status::Ok();
}

int64_t SourceNode::next_due_ms() const {
  if (!make_generator_ || ended_ || suspended_) return INT64_MAX;
  int64_t due = INT64_MAX;
  if (Combined() > sent_watermark_) due = last_emit_ms_ + watermarks_.interval_ms;
  if (watermarks_.idle_timeout_ms > 0) {
    for (const SplitState& split : splits_) {
      if (!split.idle && !split.finished) {
        due = std::min(due, split.last_row_ms + watermarks_.idle_timeout_ms);
      }
    }
  }
  return due;
}

Result<bool> SourceNode::Send(const Element& element) {
  CHECK_THAT_HOLDS(queue_.empty());
  queue_.push_back(element);
  return Drain();
}

Result<bool> SourceNode::Drain() {
  while (!queue_.empty()) {
    offering_ = true;
    while (next_child_ < children_.size()) {
      ASSIGN_OR_RETURN(const bool done, children_[next_child_]->Offer(0, queue_.front()));
      if (!done) return false;
      ++next_child_;
    }
    next_child_ = 0;
    offering_ = false;
    if (queue_.front().kind == Element::Kind::kEnd) ended_ = true;
    queue_.pop_front();
  }
  return true;
}

Result<SourceNode::Step> SourceNode::Advance() {
  if (!at_rest()) {
    ASSIGN_OR_RETURN(const bool done, Drain());
    return done ? Step::kWorked : Step::kBlocked;
  }
  if (ended_ || suspended_) return Step::kNothing;
  ReadOutput read;
  Progress progress = Progress::kFinished;
  if (!end_now_) {
    Result<Progress> polled = reader_->Poll(&read);
    if (!polled.ok()) return polled.status().Within(uid_);
    progress = *polled;
    RETURN_IF_ERROR(TakeBatch(read));
  }
  if (progress == Progress::kFinished) {
    Emit(Element::Watermark(kMaxTimestamp));
    Emit(Element::End(true));
  }
  const bool had_elements = !queue_.empty();
  ASSIGN_OR_RETURN(const bool done, Drain());
  if (!done) return Step::kBlocked;
  return progress == Progress::kBlocked && !had_elements ? Step::kNothing : Step::kWorked;
}

}  // namespace millrace::runtime
