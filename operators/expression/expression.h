#pragma once

#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "operators/expression/kernel.h"
#include "runtime/api/operator.h"
#include "runtime/types/batch.h"

namespace millrace::operators {

struct Rex;

// A step of a program: an input column, a constant, or a call of a kernel on earlier steps.
struct Step {
  enum class Kind : uint8_t { kInput, kConstant, kField, kCall };
  Kind kind = Kind::kConstant;
  runtime::LogicalType type;
  int input = -1;               // kInput: column; kField: field
  runtime::VectorPtr constant;  // kConstant: one row
  std::unique_ptr<Kernel> kernel;
  Control control = Control::kKernel;
  bool strict = true;
  bool dense = true;  // computed for all rows at once: neither can fail nor is costly
  bool can_fail = false;
  bool deterministic = true;
  std::vector<int> operands;
  std::string text;  // for messages
};

// Expressions over one row type in the order of computation: equal parts once, constants folded.
class Program {
 public:
  Program(runtime::RowType input, runtime::JobSettings settings);
  ~Program();
  Program(Program&&) noexcept;

  // Adds an expression and returns its step. Unknown functions are refused with the name, the
  // operand types and what is near.
  runtime::Result<int> Add(const Rex& rex);
  // Adds a cast of a step; the step itself if it has this type already.
  runtime::Result<int> AddCast(int step, const runtime::LogicalType& type);

  const std::vector<Step>& steps() const { return steps_; }
  Step& step(int index) { return steps_[static_cast<size_t>(index)]; }
  const runtime::RowType& input() const { return input_; }

 private:
  runtime::Result<int> AddCall(CallShape call, std::vector<int> operands);
  int AddStep(Step step, const std::string& key);
  runtime::Status Fold(Step* step);

  runtime::RowType input_;
  runtime::JobSettings settings_;
  std::vector<Step> steps_;
  std::vector<std::pair<std::string, int>> shared_;  // what a step computes, for reuse
};

// Computes steps of a program for one batch after another. Not thread-safe.
class Evaluator {
 public:
  explicit Evaluator(Program program) : program_(std::move(program)) {}
  Evaluator(Evaluator&&) = default;

  // Compiles projections (a JSON array of expressions) and a condition (JSON; "" or "null": none).
  static runtime::Result<std::unique_ptr<Evaluator>> Make(std::string_view projection_json,
                                                          std::string_view condition_json,
                                                          const runtime::RowType& input,
                                                          const runtime::JobSettings& settings);

  // Returns the batch of the projections for the rows whose condition is TRUE; null if there are
  // none. Row kinds stay; the rows that were dropped may still lie there unselected. kUser with the
  // expression and the reason if one of the rows fails (a cast, a division).
  runtime::Result<runtime::BatchPtr> Project(const EvaluationContext& context,
                                             const runtime::BatchPtr& batch);

  // For single expressions: starts a batch, then computes a step for its rows.
  void Begin(const EvaluationContext& context, const runtime::Batch& batch);
  runtime::Result<runtime::VectorPtr> Evaluate(int step, const RowSet& rows);
  const RowSet& batch_rows() const { return batch_rows_; }

  Program& program() { return program_; }
  const std::vector<int>& projections() const { return projections_; }
  runtime::RowType OutputTypes() const;

 private:
  struct Slot {
    runtime::VectorPtr vector;
    const RowSet* rows = nullptr;
  };
  runtime::Result<runtime::VectorPtr> Compute(int step, const RowSet& rows);
  runtime::Result<runtime::VectorPtr> ComputeLogic(const Step& step, const RowSet& rows);
  runtime::Result<runtime::VectorPtr> ComputeCase(const Step& step, const RowSet& rows);
  runtime::Result<runtime::VectorPtr> ComputeCoalesce(const Step& step, const RowSet& rows);
  runtime::Result<runtime::VectorPtr> ComputeKernel(Step& step, const RowSet& rows);
  // A set of the rows of `parent` whose bit is 1.
  const RowSet& Narrow(const RowSet& parent, const uint64_t* bits);
  int32_t* RoomForRows(int32_t count);

  Program program_;
  std::vector<int> projections_;
  int condition_ = -1;
  bool identity_ = false;
  std::vector<int> used_inputs_;  // columns that the projections read

  EvaluationContext context_;
  const runtime::Batch* batch_ = nullptr;
  RowSet all_rows_;
  RowSet batch_rows_;
  std::vector<Slot> slots_;
  std::deque<RowSet> sets_;
  std::vector<runtime::BufferPtr> row_buffers_;
};

// One expression, for who needs a single value a row (watermarks, filters of sources).
class Expression {
 public:
  explicit Expression(std::unique_ptr<Evaluator> evaluator, int step)
      : evaluator_(std::move(evaluator)), step_(step) {}
  const runtime::LogicalType& type() const {
    return evaluator_->program().steps()[static_cast<size_t>(step_)].type;
  }
  // Returns a vector of batch.physical_rows() rows, right for the rows of the batch.
  runtime::Result<runtime::VectorPtr> Evaluate(const EvaluationContext& context,
                                               const runtime::Batch& batch);

 private:
  std::unique_ptr<Evaluator> evaluator_;
  int step_;
};

runtime::Result<std::unique_ptr<Expression>> CompileExpression(
    std::string_view rex_json, const runtime::RowType& input, const runtime::JobSettings& settings);

// A function that plans may call, for `millrace plan --supported`.
struct KnownFunction {
  std::string group;  // its family: "string"
  std::string name;
  std::string signature;  // "(STRING, INT [, INT]) -> STRING"
};
std::vector<KnownFunction> KnownFunctions();

}  // namespace millrace::operators
