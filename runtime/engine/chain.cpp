#include "runtime/engine/chain.h"

#include "runtime/engine/node_context.h"

namespace millrace::runtime {

OperatorNode::OperatorNode(std::string uid, std::unique_ptr<Operator> op,
                           std::unique_ptr<NodeOperatorContext> context)
    : uid_(std::move(uid)),
      context_(std::move(context)),
      op_(std::move(op)),
      records_in_(context_->metrics().counter("numRecordsIn")),
      records_out_(context_->metrics().counter("numRecordsOut")),
      watermark_metric_(context_->metrics().gauge("currentInputWatermark")) {
  watermark_metric_.Set(kMinTimestamp);
}
OperatorNode::~OperatorNode() = default;

void OperatorNode::Snapshot(OperatorSnapshot* snapshot) { context_->CollectLists(&snapshot->lists); }

Status OperatorNode::Begin() {
  called_to_end_ = false;
  blocked_ = false;
  switch (element_.kind) {
    case Element::Kind::kBatch:
      records_in_.Add(element_.batch->num_rows());
      context_->ClearRequests();
      RETURN_IF_ERROR(op_->NameKeys(input_, *element_.batch, *context_));
      stage_ = Stage::kResolve;
      break;
    case Element::Kind::kWatermark:
      context_->SetWatermark(element_.time);
      watermark_metric_.Set(element_.time);
      stage_ = Stage::kCall;
      break;
    case Element::Kind::kIdle:
    case Element::Kind::kActive: stage_ = Stage::kForward; break;
    default: stage_ = Stage::kCall;
  }
  return Status::Ok();
}

Result<Progress> OperatorNode::Call(Output& out) {
  switch (element_.kind) {
    case Element::Kind::kBatch: return op_->Process(input_, element_.batch, out);
    case Element::Kind::kWatermark: return op_->OnWatermark(element_.time, out);
    case Element::Kind::kBarrier: return op_->PrepareBarrier(element_.barrier.checkpoint_id, out);
    case Element::Kind::kEnd: return op_->Finish(input_, out);
    case Element::Kind::kTimer: return op_->OnTimer(element_.time, out);
    case Element::Kind::kWake: return op_->OnWake(out);
    default: return Progress::kNeedInput;
  }
}

Result<bool> OperatorNode::Work() {
  while (true) {
    if (out_.has_value()) {
      ASSIGN_OR_RETURN(const bool delivered, Deliver(*out_));
      if (!delivered) return false;
      out_ = std::move(out_next_);
      out_next_.reset();
      continue;
    }
    switch (stage_) {
      case Stage::kResolve: {
        ASSIGN_OR_RETURN(const bool ready, context_->ResolveRequests());
        if (!ready) return false;
        stage_ = Stage::kCall;
        break;
      }
      case Stage::kCall: {
        if (blocked_) {
          // Its output was delivered meanwhile; wait for its waker, then call again.
          blocked_ = false;
          return false;
        }
        Output out;
        Result<Progress> progress = Call(out);
        if (!progress.ok()) return progress.status().Within(uid_);
        if (!out.empty()) {
          out_ = Element::Of(out.Take());
          records_out_.Add(out_->batch->num_rows());
        }
        const Timestamp mark = op_->NextWatermark();
        const std::optional<bool> idle = op_->Idle();
        std::optional<Element> behind;
        if (mark > sent_watermark_) {
          sent_watermark_ = mark;
          behind = Element::Watermark(mark);
        } else if (idle.has_value() && *idle != sent_idle_) {
          sent_idle_ = *idle;
          behind = Element::Just(*idle ? Element::Kind::kIdle : Element::Kind::kActive);
        }
        if (behind.has_value()) (out_.has_value() ? out_next_ : out_) = std::move(behind);
        if (*progress == Progress::kBlocked) {
          if (!out_.has_value()) return false;
          blocked_ = true;
        } else if (*progress != Progress::kMore) {
          finished_ |= *progress == Progress::kFinished;
          context_->ReleasePins();
          stage_ = Stage::kForward;
        }
        break;
      }
      case Stage::kForward: {
        stage_ = Stage::kSelf;
        switch (element_.kind) {
          case Element::Kind::kWatermark: {
            const Timestamp mark = op_->ForwardWatermark(element_.time);
            if (mark > sent_watermark_) {
              sent_watermark_ = mark;
              out_ = Element::Watermark(mark);
            }
            break;
          }
          case Element::Kind::kIdle:
          case Element::Kind::kActive:
            if (!op_->Idle().has_value()) out_ = element_;
            break;
          case Element::Kind::kBarrier: out_ = element_; break;
          case Element::Kind::kEnd:
            if (element_.time == kMaxTimestamp) out_ = element_;
            break;
          default: break;
        }
        break;
      }
      case Stage::kSelf: return true;
    }
  }
}

SinkNode::SinkNode(std::string uid, std::unique_ptr<SinkWriter> writer,
                   std::unique_ptr<NodeOperatorContext> context)
    : uid_(std::move(uid)),
      context_(std::move(context)),
      writer_(std::move(writer)),
      records_in_(context_->metrics().counter("numRecordsIn")),
      watermark_metric_(context_->metrics().gauge("currentInputWatermark")) {
  watermark_metric_.Set(kMinTimestamp);
}
SinkNode::~SinkNode() = default;

void SinkNode::Snapshot(OperatorSnapshot* snapshot) {
  for (std::string& bytes : prepared_) {
    snapshot->committables.push_back({prepared_id_, context_->subtask(), std::move(bytes)});
  }
  prepared_.clear();
  snapshot->writer_states = std::move(writer_states_);
  writer_states_.clear();
}

Result<bool> SinkNode::Work() {
  switch (element_.kind) {
    case Element::Kind::kBatch: {
      Result<Progress> progress = writer_->Write(element_.batch);
      if (!progress.ok()) return progress.status().Within(uid_);
      if (*progress == Progress::kBlocked) return false;
      records_in_.Add(element_.batch->num_rows());
      return true;
    }
    case Element::Kind::kBarrier: {
      Result<Progress> progress =
          writer_->Prepare(element_.barrier.checkpoint_id, end_of_input_, &prepared_);
      if (!progress.ok()) return progress.status().Within(uid_);
      if (*progress != Progress::kNeedInput) return false;
      prepared_id_ = element_.barrier.checkpoint_id;
      Result<std::vector<std::string>> states = writer_->Snapshot();
      if (!states.ok()) return states.status().Within(uid_);
      writer_states_ = std::move(*states);
      return true;
    }
    case Element::Kind::kEnd: end_of_input_ |= element_.time == kMaxTimestamp; return true;
    case Element::Kind::kTimer: {
      const Status status = writer_->OnTimer(element_.time);
      if (!status.ok()) return status.Within(uid_);
      return true;
    }
    case Element::Kind::kWatermark: watermark_metric_.Set(element_.time); return true;
    default: return true;
  }
}

}  // namespace millrace::runtime
