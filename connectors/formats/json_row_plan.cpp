#include "connectors/formats/json_row_plan.h"

namespace millrace::connectors {
namespace {

using runtime::Field;
using runtime::LogicalType;
using runtime::Result;
using runtime::Status;
using runtime::TypeKind;

bool IsPlain(const std::string& name) {
  for (const char c : name) {
    if (c == '"' || c == '\\' || static_cast<unsigned char>(c) < 0x20) return false;
  }
  return true;
}

JsonFieldPlan Named(const std::string& name) {
  JsonFieldPlan field;
  field.name = name;
  field.plain_name = IsPlain(name);
  return field;
}

}  // namespace

JsonValuePlan JsonValuePlan::Of(const LogicalType& type) {
  JsonValuePlan plan;
  plan.kind = type.kind();
  if (plan.kind == TypeKind::kRow) {
    plan.row = std::make_unique<JsonRowPlan>(JsonRowPlan::OfRow(type.children()));
  } else if (plan.kind == TypeKind::kArray) {
    plan.element = std::make_unique<JsonValuePlan>(Of(type.children()[0].type));
  } else if (plan.kind == TypeKind::kMap || plan.kind == TypeKind::kMultiset) {
    plan.element = std::make_unique<JsonValuePlan>(Of(type.children()[1].type));
  }
  return plan;
}

void JsonRowPlan::Index() {
  by_name.clear();
  for (size_t i = 0; i < fields.size(); ++i) by_name[fields[i].name] = static_cast<int>(i);
}

JsonRowPlan JsonRowPlan::OfRow(const std::vector<Field>& row) {
  JsonRowPlan plan;
  for (size_t i = 0; i < row.size(); ++i) {
    JsonFieldPlan field = Named(row[i].name);
    field.target = static_cast<int>(i);
    field.value = JsonValuePlan::Of(row[i].type);
    plan.fields.push_back(std::move(field));
  }
  plan.Index();
  return plan;
}

Result<JsonRowPlan> JsonRowPlan::OfProjection(const std::vector<Field>& record,
                                              const std::vector<std::vector<int>>& paths) {
  JsonRowPlan plan;
  for (size_t i = 0; i < paths.size(); ++i) {
    RETURN_IF_ERROR(plan.Add(record, paths[i], 0, static_cast<int>(i)));
  }
  plan.IndexAll();
  return plan;
}

Status JsonRowPlan::Add(const std::vector<Field>& record, const std::vector<int>& path,
                        size_t depth, int target) {
  const Field& wanted = record.at(static_cast<size_t>(path.at(depth)));
  JsonFieldPlan* field = nullptr;
  for (JsonFieldPlan& known : fields) {
    if (known.name == wanted.name) field = &known;
  }
  const bool is_leaf = depth + 1 == path.size();
  if (field != nullptr && (is_leaf || field->within == nullptr)) {
    return Status::Internal("two paths of a projection lead to the same field: " + wanted.name);
  }
  if (field == nullptr) {
    fields.push_back(Named(wanted.name));
    field = &fields.back();
  }
  if (is_leaf) {
    field->target = target;
    field->value = JsonValuePlan::Of(wanted.type);
    return Status::Ok();
  }
  if (wanted.type.kind() != TypeKind::kRow) {
    return Status::Internal("a path of a projection leads into a field that is no ROW: " +
                            wanted.name);
  }
  if (field->within == nullptr) field->within = std::make_unique<JsonRowPlan>();
  return field->within->Add(wanted.type.children(), path, depth + 1, target);
}

void JsonRowPlan::IndexAll() {
  Index();
  for (JsonFieldPlan& field : fields) {
    if (field.within != nullptr) field.within->IndexAll();
  }
}

}  // namespace millrace::connectors
