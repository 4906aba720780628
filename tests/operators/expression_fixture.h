#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "operators/expression/expression.h"
#include "runtime/types/batch.h"
#include "runtime/types/text/value_text.h"

// Builds expressions and batches for tests, and prints results as Flink's Row does.

namespace millrace::operators::testing {

using nlohmann::json;
using Row = std::vector<std::optional<std::string>>;  // text forms; nullopt: NULL

inline json Ref(int index, const std::string& type) {
  return {{"kind", "INPUT_REF"}, {"inputIndex", index}, {"type", type}};
}
inline json Literal(const std::string& type, json value) {
  return {{"kind", "LITERAL"}, {"value", std::move(value)}, {"type", type}};
}
inline json Call(const std::string& name, const std::string& type, std::vector<json> operands) {
  return {{"kind", "CALL"},
          {"internalName", "$" + name + "$1"},
          {"operands", operands},
          {"type", type}};
}
inline json Cast(const json& value, const std::string& type) { return Call("CAST", type, {value}); }

inline runtime::LogicalType Type(const std::string& text) {
  auto parsed = runtime::LogicalType::Parse(text);
  if (!parsed.ok()) throw std::runtime_error(parsed.status().message());
  return parsed.value();
}

// How the rows are laid out: all forms must give the same results.
enum class Form { kFlat, kSelection, kOneByOne };

inline runtime::BatchPtr MakeBatch(const runtime::RowType& type, const std::vector<Row>& rows,
                                   Form form = Form::kFlat) {
  runtime::BatchBuilder builder(runtime::ProcessPool(), type,
                                static_cast<int32_t>(rows.size() * 3 + 1));
  runtime::TimeZone utc;
  const auto add = [&](const Row* row) {
    for (size_t c = 0; c < type.size(); ++c) {
      auto& column = builder.column(static_cast<int>(c));
      if (row == nullptr || !(*row)[c]) {
        column.AppendNull();
        continue;
      }
      const runtime::Status parsed = runtime::ParseValue(*(*row)[c], &utc, &column);
      if (!parsed.ok()) throw std::runtime_error(parsed.message());
    }
    builder.EndRow();
  };
  for (const Row& row : rows) {
    if (form == Form::kSelection) add(nullptr);  // a row that is not selected
    add(&row);
  }
  auto batch = std::const_pointer_cast<runtime::Batch>(builder.Finish());
  if (form == Form::kSelection) {
    runtime::BufferPtr selection = runtime::ProcessPool().Allocate(rows.size() * 4 + 64);
    auto* at = reinterpret_cast<int32_t*>(selection->data());
    for (size_t i = 0; i < rows.size(); ++i) at[i] = static_cast<int32_t>(2 * i + 1);
    batch->SetSelection(selection, static_cast<int32_t>(rows.size()));
  }
  return batch;
}

inline std::vector<std::string> PrintColumn(const runtime::LogicalType& type,
                                            const runtime::Batch& batch, int column) {
  std::vector<std::string> printed;
  for (int32_t i = 0; i < batch.num_rows(); ++i) {
    std::string text;
    runtime::PrintValue(type, batch.column(column), batch.PhysicalRow(i), &text);
    printed.push_back(text);
  }
  return printed;
}

// Evaluates one expression for each row; an error gives one entry "!! message".
inline std::vector<std::string> Evaluate(const json& rex, const runtime::RowType& type,
                                         const std::vector<Row>& rows, Form form = Form::kFlat,
                                         const std::string& zone = "UTC") {
  runtime::JobSettings settings;
  settings.time_zone = zone;
  auto evaluator = Evaluator::Make(json::array({rex}).dump(), "", type, settings);
  if (!evaluator.ok()) return {"?? " + evaluator.status().message()};
  std::vector<std::string> results;
  const auto run = [&](const runtime::BatchPtr& batch) {
    EvaluationContext context;
    auto projected = (*evaluator)->Project(context, batch);
    if (!projected.ok()) {
      results = {"!! " + projected.status().message()};
      return false;
    }
    const runtime::LogicalType out = (*evaluator)->OutputTypes()[0].type;
    for (std::string& text : PrintColumn(out, **projected, 0)) results.push_back(text);
    return true;
  };
  if (form == Form::kOneByOne) {
    for (const Row& row : rows) {
      if (!run(MakeBatch(type, {row}))) return results;
    }
  } else {
    run(MakeBatch(type, rows, form));
  }
  return results;
}

}  // namespace millrace::operators::testing
