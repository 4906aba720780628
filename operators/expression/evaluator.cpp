#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>
#include <set>

#include "operators/expression/expression.h"
#include "operators/expression/rex.h"

namespace millrace::operators {

using runtime::Batch;
using runtime::BatchPtr;
using runtime::BufferPtr;
using runtime::Encoding;
using runtime::JobSettings;
using runtime::MemoryPool;
using runtime::PhysicalType;
using runtime::Result;
using runtime::RowType;
using runtime::Status;
using runtime::Vector;
using runtime::VectorBuilder;
using runtime::VectorPtr;

namespace {

// When fewer than one row in this many is left, the columns still needed are gathered.
constexpr int32_t kCompactBelow = 4;

VectorPtr WithLength(const VectorPtr& constant, int32_t length) {
  if (constant->length() == length) return constant;
  auto copy = std::make_shared<Vector>(*constant);
  copy->SetLength(length);
  return copy;
}

// The rows where a BOOLEAN vector is TRUE, as bits.
void TrueBits(const Vector& vector, int32_t length, uint64_t* words) {
  const int64_t count = runtime::WordsFor(length);
  if (vector.encoding() == Encoding::kConstant) {
    const bool is_true = !vector.IsNull(0) && vector.values<uint8_t>()[0] != 0;
    std::memset(words, is_true ? 0xff : 0, static_cast<size_t>(count) * 8);
    return;
  }
  PackBits(vector.values<uint8_t>(), length, words);
  if (vector.may_have_nulls()) {
    for (int64_t i = 0; i < count; ++i) words[i] &= vector.validity()[i];
  }
}

void ValidBits(const Vector& vector, int32_t length, uint64_t* words) {
  const size_t bytes = static_cast<size_t>(runtime::WordsFor(length)) * 8;
  if (!vector.may_have_nulls()) {
    std::memset(words, 0xff, bytes);
  } else if (vector.encoding() == Encoding::kConstant) {
    std::memset(words, vector.IsNull(0) ? 0 : 0xff, bytes);
  } else {
    std::memcpy(words, vector.validity(), bytes);
  }
}

Result<nlohmann::json> ParseJson(std::string_view text) {
  nlohmann::json parsed = nlohmann::json::parse(text, nullptr, false);
  if (parsed.is_discarded()) return Status::User("expression is not JSON: " + std::string(text));
  return parsed;
}

void CollectInputs(const Program& program, int step, std::set<int>* seen, std::set<int>* inputs) {
  if (!seen->insert(step).second) return;
  const Step& at = program.steps()[static_cast<size_t>(step)];
  if (at.kind == Step::Kind::kInput) inputs->insert(at.input);
  for (const int operand : at.operands) CollectInputs(program, operand, seen, inputs);
}

}  // namespace

Result<std::unique_ptr<Evaluator>> Evaluator::Make(std::string_view projection_json,
                                                   std::string_view condition_json,
                                                   const RowType& input,
                                                   const JobSettings& settings) {
  ASSIGN_OR_RETURN(const nlohmann::json projection, ParseJson(projection_json));
  if (!projection.is_array()) return Status::User("projection is not an array of expressions");
  auto evaluator = std::make_unique<Evaluator>(Program(input, settings));
  Program& program = evaluator->program_;
  if (!condition_json.empty() && condition_json != "null") {
    ASSIGN_OR_RETURN(const nlohmann::json condition, ParseJson(condition_json));
    ASSIGN_OR_RETURN(const Rex rex, ParseRex(condition, input));
    if (rex.type.kind() != runtime::TypeKind::kBoolean) {
      return Status::User("condition is not BOOLEAN: " + ToText(rex, input));
    }
    ASSIGN_OR_RETURN(evaluator->condition_, program.Add(rex));
  }
  std::set<int> inputs;
  std::set<int> seen;
  evaluator->identity_ = projection.size() == input.size();
  for (const nlohmann::json& expression : projection) {
    ASSIGN_OR_RETURN(const Rex rex, ParseRex(expression, input));
    ASSIGN_OR_RETURN(const int step, program.Add(rex));
    if (rex.kind != Rex::Kind::kInput ||
        rex.input != static_cast<int>(evaluator->projections_.size())) {
      evaluator->identity_ = false;
    }
    evaluator->projections_.push_back(step);
    CollectInputs(program, step, &seen, &inputs);
  }
  evaluator->used_inputs_.assign(inputs.begin(), inputs.end());
  return evaluator;
}

RowType Evaluator::OutputTypes() const {
  RowType types;
  for (const int step : projections_) {
    types.push_back(
        {"f" + std::to_string(types.size()), program_.steps()[static_cast<size_t>(step)].type});
  }
  return types;
}

void Evaluator::Begin(const EvaluationContext& context, const Batch& batch) {
  context_ = context;
  batch_ = &batch;
  all_rows_ = RowSet::All(batch.physical_rows());
  batch_rows_ = {batch.physical_rows(), batch.selection(), batch.num_rows(), &all_rows_};
  if (batch.selection() == nullptr) batch_rows_.parent = nullptr;
  slots_.assign(program_.steps().size(), Slot());
  sets_.clear();
  row_buffers_.clear();
}

int32_t* Evaluator::RoomForRows(int32_t count) {
  row_buffers_.push_back(
      context_.pool->Allocate(static_cast<size_t>(count + 16) * sizeof(int32_t)));
  return static_cast<int32_t*>(static_cast<void*>(row_buffers_.back()->data()));
}

const RowSet& Evaluator::Narrow(const RowSet& parent, const uint64_t* bits) {
  int32_t* rows = RoomForRows(parent.count);
  int32_t count = 0;
  if (parent.all()) {
    count = PositionsOfBits(bits, parent.length, rows);
  } else {
    for (int32_t i = 0; i < parent.count; ++i) {
      rows[count] = parent.rows[i];
      count += TestBit(bits, parent.rows[i]);
    }
  }
  sets_.push_back({parent.length, rows, count, &parent});
  return sets_.back();
}

Result<VectorPtr> Evaluator::Evaluate(int index, const RowSet& rows) {
  Step& step = program_.step(index);
  if (step.kind == Step::Kind::kInput) return batch_->shared_column(step.input);
  if (step.kind == Step::Kind::kConstant) {
    step.constant = WithLength(step.constant, rows.length);
    return step.constant;
  }
  Slot& slot = slots_[static_cast<size_t>(index)];
  const RowSet* asked = step.dense ? &all_rows_ : &rows;
  for (const RowSet* set = asked; set != nullptr; set = set->parent) {
    if (slot.vector != nullptr && (slot.rows == set || slot.rows == &all_rows_)) return slot.vector;
  }
  ASSIGN_OR_RETURN(VectorPtr vector, Compute(index, *asked));
  slots_[static_cast<size_t>(index)] = {vector, asked};
  return vector;
}

Result<VectorPtr> Evaluator::Compute(int index, const RowSet& rows) {
  Step& step = program_.step(index);
  if (step.kind == Step::Kind::kField) {
    ASSIGN_OR_RETURN(const VectorPtr record, Evaluate(step.operands[0], rows));
    const VectorPtr& field = record->children()[static_cast<size_t>(step.input)];
    if (record->encoding() == Encoding::kConstant) {
      return record->IsNull(0) ? runtime::MakeNulls(*context_.pool, step.type, rows.length)
                               : ConstantFrom(*field, 0, rows.length);
    }
    if (!record->may_have_nulls()) return field;
    auto copy = std::make_shared<Vector>(*field);
    if (field->encoding() == Encoding::kConstant) {
      copy = std::make_shared<Vector>(*Flatten(*context_.pool, step.type, field));
    }
    BufferPtr validity = AllValid(*context_.pool, rows.length);
    for (int64_t i = 0; i < runtime::WordsFor(rows.length); ++i) {
      Words(validity)[i] =
          record->validity()[i] & (copy->may_have_nulls() ? copy->validity()[i] : ~uint64_t{0});
    }
    copy->SetValidity(std::move(validity));
    return VectorPtr(std::move(copy));
  }
  switch (step.control) {
    case Control::kKernel:
      return ComputeKernel(step, rows);
    case Control::kAnd:
    case Control::kOr:
      return ComputeLogic(step, rows);
    case Control::kCase:
      return ComputeCase(step, rows);
    case Control::kCoalesce:
      return ComputeCoalesce(step, rows);
  }
  return Status::Internal("no such control");
}

Result<VectorPtr> Evaluator::ComputeKernel(Step& step, const RowSet& rows) {
  VectorPtr arguments_room[8];
  std::vector<VectorPtr> more;
  std::span<VectorPtr> arguments(arguments_room, std::min<size_t>(step.operands.size(), 8));
  if (step.operands.size() > 8) {
    more.resize(step.operands.size());
    arguments = more;
  }
  bool all_constant = !step.operands.empty() && step.deterministic;
  for (size_t i = 0; i < step.operands.size(); ++i) {
    ASSIGN_OR_RETURN(arguments[i], Evaluate(step.operands[i], rows));
    const Encoding encoding = arguments[i]->encoding();
    if (encoding == Encoding::kConstant) {
      if (step.strict && arguments[i]->IsNull(0)) {
        return runtime::MakeNulls(*context_.pool, step.type, rows.length);
      }
      continue;
    }
    all_constant = false;
    if (encoding == Encoding::kDictionary && !step.kernel->accepts_dictionary()) {
      arguments[i] = Flatten(*context_.pool, program_.step(step.operands[i]).type, arguments[i]);
    }
  }
  if (all_constant && rows.count > 0) {
    // One row computed, standing for all.
    for (size_t i = 0; i < arguments.size(); ++i) {
      arguments[i] = Flatten(*context_.pool, program_.step(step.operands[i]).type,
                             WithLength(arguments[i], 1));
    }
    Result<VectorPtr> one = step.kernel->Evaluate(context_, RowSet::All(1), arguments);
    if (!one.ok()) return one.status().Within(step.text);
    return ConstantFrom(**one, 0, rows.length);
  }
  Result<VectorPtr> result = step.kernel->Evaluate(context_, rows, arguments);
  if (!result.ok()) return result.status().Within(step.text);
  return result;
}

// AND and OR of any number of operands. By De Morgan only AND is computed: for OR values are
// inverted.
Result<VectorPtr> Evaluator::ComputeLogic(const Step& step, const RowSet& rows) {
  const uint64_t invert = step.control == Control::kOr ? ~uint64_t{0} : 0;
  const int64_t words = runtime::WordsFor(rows.length);
  // is_true: all so far are TRUE (FALSE for OR); is_false: one was FALSE (TRUE for OR).
  BufferPtr room = runtime::AllocateValidity(*context_.pool, static_cast<int32_t>(words * 64 * 4));
  uint64_t* is_true = Words(room);
  uint64_t* is_false = is_true + words;
  uint64_t* value = is_false + words;
  uint64_t* valid = value + words;
  std::memset(is_true, 0xff, static_cast<size_t>(words) * 8);
  std::memset(is_false, 0, static_cast<size_t>(words) * 8);
  const RowSet* open = &rows;
  for (size_t i = 0; i < step.operands.size(); ++i) {
    const Step& operand = program_.step(step.operands[i]);
    if (i > 0 && !operand.dense) {
      for (int64_t w = 0; w < words; ++w) value[w] = ~is_false[w];
      open = &Narrow(*open, value);
      if (open->count == 0) break;
    }
    ASSIGN_OR_RETURN(const VectorPtr vector, Evaluate(step.operands[i], *open));
    TrueBits(*vector, rows.length, value);
    ValidBits(*vector, rows.length, valid);
    for (int64_t w = 0; w < words; ++w) {
      const uint64_t yes = (value[w] ^ invert) & valid[w];
      const uint64_t no = ~(value[w] ^ invert) & valid[w];
      // What lies in rows that were not asked for does not matter: they are settled by is_false.
      is_true[w] &= yes;
      is_false[w] |= no;
    }
  }
  std::shared_ptr<Vector> result = MakeFlat(*context_.pool, PhysicalType::kBool, rows, BufferPtr());
  bool has_nulls = false;
  for (int64_t w = 0; w < words; ++w) {
    is_true[w] &= ~is_false[w];
    value[w] = invert == 0 ? is_true[w] : is_false[w];
    valid[w] = is_true[w] | is_false[w];
    has_nulls |= valid[w] != ~uint64_t{0};
  }
  UnpackBits(value, rows.length, MutableValues<uint8_t>(*result));
  if (has_nulls) {
    BufferPtr validity = runtime::AllocateValidity(*context_.pool, rows.length);
    std::memcpy(validity->data(), valid, static_cast<size_t>(words) * 8);
    result->SetValidity(std::move(validity));
  }
  return VectorPtr(std::move(result));
}

Result<VectorPtr> Expression::Evaluate(const EvaluationContext& context, const Batch& batch) {
  evaluator_->Begin(context, batch);
  return evaluator_->Evaluate(step_, evaluator_->batch_rows());
}

Result<std::unique_ptr<Expression>> CompileExpression(std::string_view rex_json,
                                                      const RowType& input,
                                                      const JobSettings& settings) {
  ASSIGN_OR_RETURN(const nlohmann::json parsed, ParseJson(rex_json));
  ASSIGN_OR_RETURN(const Rex rex, ParseRex(parsed, input));
  auto evaluator = std::make_unique<Evaluator>(Program(input, settings));
  ASSIGN_OR_RETURN(const int step, evaluator->program().Add(rex));
  return std::make_unique<Expression>(std::move(evaluator), step);
}

Result<BatchPtr> Evaluator::Project(const EvaluationContext& context, const BatchPtr& batch) {
  Begin(context, *batch);
  const RowSet* rows = &batch_rows_;
  BufferPtr kept;
  BatchPtr input = batch;
  if (condition_ >= 0) {
    ASSIGN_OR_RETURN(const VectorPtr condition, Evaluate(condition_, batch_rows_));
    BufferPtr bits = runtime::AllocateValidity(*context_.pool, batch_rows_.length);
    TrueBits(*condition, batch_rows_.length, Words(bits));
    const RowSet& narrowed = Narrow(batch_rows_, Words(bits));
    if (narrowed.count == 0) return BatchPtr();
    if (narrowed.count < batch_rows_.count) {
      kept = row_buffers_.back();
      rows = &narrowed;
    }
  }
  if (identity_) {
    if (!kept) return batch;
    auto output = std::make_shared<Batch>(*batch);
    output->SetSelection(std::move(kept), rows->count);
    return BatchPtr(std::move(output));
  }
  // Few rows left: work on copies of these alone.
  if (rows->count < rows->length / kCompactBelow && !used_inputs_.empty()) {
    std::vector<VectorPtr> columns(static_cast<size_t>(batch->num_columns()));
    const int32_t count = rows->count;
    for (int i = 0; i < batch->num_columns(); ++i) {
      if (!std::binary_search(used_inputs_.begin(), used_inputs_.end(), i)) {
        columns[static_cast<size_t>(i)] = WithLength(
            runtime::MakeNulls(*context_.pool, program_.input()[static_cast<size_t>(i)].type, 1),
            count);
        continue;
      }
      VectorBuilder builder(*context_.pool, program_.input()[static_cast<size_t>(i)].type, count);
      builder.AppendRows(batch->column(i), rows->rows, count, VectorBuilder::Strings::kKeep);
      columns[static_cast<size_t>(i)] = builder.Finish();
    }
    auto compact = std::make_shared<Batch>(std::move(columns), count);
    if (batch->row_kinds() != nullptr) {
      BufferPtr kinds = context_.pool->Allocate(static_cast<size_t>(count));
      for (int32_t i = 0; i < count; ++i) {
        kinds->data()[i] = static_cast<char>(batch->row_kinds()[rows->rows[i]]);
      }
      compact->SetRowKinds(std::move(kinds));
    }
    input = compact;
    Begin(context, *input);
    rows = &batch_rows_;
    kept = BufferPtr();
  }
  std::vector<VectorPtr> columns;
  columns.reserve(projections_.size());
  for (const int step : projections_) {
    ASSIGN_OR_RETURN(VectorPtr column, Evaluate(step, *rows));
    columns.push_back(std::move(column));
  }
  auto output = std::make_shared<Batch>(std::move(columns), input->physical_rows());
  if (kept) {
    output->SetSelection(std::move(kept), rows->count);
  } else if (input->selection_buffer()) {
    output->SetSelection(input->selection_buffer(), input->num_rows());
  }
  if (input->row_kinds_buffer()) output->SetRowKinds(input->row_kinds_buffer());
  batch_ = nullptr;
  for (Slot& slot : slots_) slot.vector = nullptr;
  return BatchPtr(std::move(output));
}

}  // namespace millrace::operators
