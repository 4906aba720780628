#include "operators/functions/function_table.h"

// ARRAY, MAP and ROW constructors, element access and CARDINALITY.

namespace millrace::operators {
namespace {

using runtime::Encoding;
using runtime::ListRange;
using runtime::LogicalType;
using runtime::PhysicalType;
using runtime::Result;
using runtime::TypeKind;
using runtime::Vector;
using runtime::VectorBuilder;
using runtime::VectorPtr;
using Strings = runtime::VectorBuilder::Strings;

// ARRAY[a, b, ...] and MAP[k, v, ...].
class ListKernel final : public Kernel {
 public:
  explicit ListKernel(LogicalType type) : type_(std::move(type)) {}
  bool accepts_dictionary() const override { return true; }
  Result<VectorPtr> Evaluate(const EvaluationContext& context, const RowSet& rows,
                             std::span<const VectorPtr> arguments) override {
    VectorBuilder builder(*context.pool, type_, rows.length);
    const size_t columns = type_.kind() == TypeKind::kMap ? 2 : 1;
    const auto length = static_cast<uint32_t>(arguments.size() / columns);
    ForEachRow(rows, nullptr, [&](int32_t row) {
      while (builder.length() < row) builder.AppendList(0);
      for (size_t i = 0; i < arguments.size(); ++i) {
        builder.child(static_cast<int>(i % columns)).AppendFrom(*arguments[i], row, Strings::kKeep);
      }
      builder.AppendList(length);
    });
    while (builder.length() < rows.length) builder.AppendList(0);
    return builder.Finish();
  }

 private:
  LogicalType type_;
};

Result<BoundCall> BindArray(const CallShape& call) {
  BoundCall bound;
  if (call.type.kind() != TypeKind::kArray) return bound;
  const LogicalType element = call.type.children()[0].type;
  for (const OperandShape& operand : call.operands) {
    bound.operand_types.push_back(element.AsNullable(operand.type.nullable()));
  }
  bound.kernel = std::make_unique<ListKernel>(call.type);
  bound.strict = false;
  bound.costly = true;
  return bound;
}

Result<BoundCall> BindMap(const CallShape& call) {
  BoundCall bound;
  if (call.type.kind() != TypeKind::kMap || call.operands.size() % 2 != 0) return bound;
  for (size_t i = 0; i < call.operands.size(); ++i) {
    bound.operand_types.push_back(call.type.children()[i % 2].type);
  }
  bound.kernel = std::make_unique<ListKernel>(call.type);
  bound.strict = false;
  bound.costly = true;
  return bound;
}

class RowKernel final : public Kernel {
 public:
  explicit RowKernel(LogicalType type) : type_(std::move(type)) {}
  bool accepts_dictionary() const override { return true; }
  Result<VectorPtr> Evaluate(const EvaluationContext& context, const RowSet& rows,
                             std::span<const VectorPtr> arguments) override {
    auto vector = std::make_shared<Vector>(PhysicalType::kRow, Encoding::kFlat, rows.length);
    for (const VectorPtr& argument : arguments) vector->AddChild(argument);
    return VectorPtr(std::move(vector));
  }

 private:
  LogicalType type_;
};

Result<BoundCall> BindRow(const CallShape& call) {
  BoundCall bound;
  if (call.type.kind() != TypeKind::kRow || call.type.children().size() != call.operands.size()) {
    return bound;
  }
  for (const runtime::Field& field : call.type.children())
    bound.operand_types.push_back(field.type);
  bound.kernel = std::make_unique<RowKernel>(call.type);
  bound.strict = false;
  return bound;
}

bool SameValue(const Vector& a, int32_t row_a, const Vector& b, int32_t row_b) {
  if (a.IsNull(row_a) || b.IsNull(row_b)) return a.IsNull(row_a) && b.IsNull(row_b);
  switch (a.physical()) {
    case PhysicalType::kBool:
    case PhysicalType::kInt8:
      return a.At<int8_t>(row_a) == b.At<int8_t>(row_b);
    case PhysicalType::kInt16:
      return a.At<int16_t>(row_a) == b.At<int16_t>(row_b);
    case PhysicalType::kInt32:
      return a.At<int32_t>(row_a) == b.At<int32_t>(row_b);
    case PhysicalType::kInt64:
      return a.At<int64_t>(row_a) == b.At<int64_t>(row_b);
    case PhysicalType::kInt128:
      return a.At<runtime::Int128>(row_a) == b.At<runtime::Int128>(row_b);
    case PhysicalType::kFloat:
      return a.At<float>(row_a) == b.At<float>(row_b);
    case PhysicalType::kDouble:
      return a.At<double>(row_a) == b.At<double>(row_b);
    case PhysicalType::kString:
      return a.At<runtime::StringRef>(row_a) == b.At<runtime::StringRef>(row_b);
    case PhysicalType::kTimestamp:
      return a.At<runtime::TimestampNanos>(row_a) == b.At<runtime::TimestampNanos>(row_b);
    default:
      return false;
  }
}

// array[i] from 1, map[key]; NULL if there is none.
class ItemKernel final : public Kernel {
 public:
  explicit ItemKernel(LogicalType type, bool is_map) : type_(std::move(type)), is_map_(is_map) {}
  bool accepts_dictionary() const override { return true; }
  Result<VectorPtr> Evaluate(const EvaluationContext& context, const RowSet& rows,
                             std::span<const VectorPtr> arguments) override {
    VectorBuilder builder(*context.pool, type_, rows.length);
    const Vector& container = *arguments[0];
    const Vector& key = *arguments[1];
    ForEachRow(rows, nullptr, [&](int32_t row) {
      if (builder.length() < row) builder.AppendNulls(row - builder.length());
      if (container.IsNull(row) || key.IsNull(row)) {
        builder.AppendNull();
        return;
      }
      const ListRange range = container.At<ListRange>(row);
      int64_t found = -1;
      if (is_map_) {
        for (uint32_t i = 0; i < range.length && found < 0; ++i) {
          const auto at = static_cast<int32_t>(range.offset + i);
          if (SameValue(*container.children()[0], at, key, row)) found = i;
        }
      } else {
        const int32_t index = key.At<int32_t>(row);
        if (index >= 1 && static_cast<uint32_t>(index) <= range.length) found = index - 1;
      }
      if (found < 0) {
        builder.AppendNull();
      } else {
        builder.AppendFrom(*container.children()[is_map_ ? 1 : 0],
                           static_cast<int32_t>(range.offset + found), Strings::kKeep);
      }
    });
    if (builder.length() < rows.length) builder.AppendNulls(rows.length - builder.length());
    return builder.Finish();
  }

 private:
  LogicalType type_;
  bool is_map_;
};

Result<BoundCall> BindItem(const CallShape& call) {
  BoundCall bound;
  if (call.operands.size() != 2) return bound;
  const LogicalType& container = call.operands[0].type;
  if (container.kind() == TypeKind::kArray) {
    if (!call.operands[1].type.is_integer()) return bound;
    bound.operand_types = {LogicalType(), LogicalType(TypeKind::kInt)};
  } else if (container.kind() == TypeKind::kMap) {
    const LogicalType& key = container.children()[0].type;
    const bool texts = key.is_string() && call.operands[1].type.is_string();
    bound.operand_types = {LogicalType(), texts ? LogicalType() : key.AsNullable()};
  } else {
    return bound;
  }
  bound.kernel =
      std::make_unique<ItemKernel>(call.type.AsNullable(), container.kind() == TypeKind::kMap);
  bound.strict = false;
  bound.costly = true;
  return bound;
}

class CardinalityKernel final : public Kernel {
 public:
  Result<VectorPtr> Evaluate(const EvaluationContext& context, const RowSet& rows,
                             std::span<const VectorPtr> arguments) override {
    auto vector = MakeFlat(*context.pool, PhysicalType::kInt32, RowSet::All(rows.length),
                           CombineValidity(*context.pool, arguments, rows.length));
    int32_t* to = MutableValues<int32_t>(*vector);
    for (int32_t i = 0; i < rows.length; ++i) {
      to[i] = static_cast<int32_t>(arguments[0]->At<ListRange>(i).length);
    }
    return VectorPtr(std::move(vector));
  }
};

Result<BoundCall> BindCardinality(const CallShape& call) {
  BoundCall bound;
  if (call.operands.size() != 1) return bound;
  const PhysicalType type = call.operands[0].type.physical();
  if (type != PhysicalType::kArray && type != PhysicalType::kMap) return bound;
  bound.kernel = std::make_unique<CardinalityKernel>();
  return bound;
}

constexpr FunctionEntry kEntries[] = {
    {"ARRAY", "(T, ...) -> ARRAY<T>", BindArray},
    {"MAP", "(K, V, ...) -> MAP<K, V>", BindMap},
    {"ROW", "(ANY, ...) -> ROW", BindRow},
    {"ITEM", "(ARRAY<T>, INT) -> T", BindItem},
    {"CARDINALITY", "(ARRAY or MAP) -> INT", BindCardinality},
};

}  // namespace

std::span<const FunctionEntry> NestedFunctions() { return kEntries; }

}  // namespace millrace::operators
