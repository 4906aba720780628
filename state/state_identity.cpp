#include "state/state_identity.h"

namespace millrace::state {

using runtime::LogicalType;
using runtime::StateKind;
using runtime::StateSpec;

namespace {

const char* NameOf(StateKind kind) {
  switch (kind) {
    case StateKind::kKeyed: return "keyed";
    case StateKind::kSliced: return "sliced";
    case StateKind::kOrdered: return "ordered";
    case StateKind::kRowStore: return "row store";
    case StateKind::kList: return "list";
    case StateKind::kUnionList: return "union list";
  }
  return "unknown";
}

// Time attributes say nothing about bytes; nullability of keys does (their image).
bool SameKeyTypes(const std::vector<LogicalType>& a, const std::vector<LogicalType>& b) {
  return a == b;
}

}  // namespace

Fit FitOf(const StateSpec& stored, const StateSpec& declared) {
  if (stored.kind != declared.kind || !SameKeyTypes(stored.key_types, declared.key_types) ||
      stored.key_group_columns != declared.key_group_columns ||
      stored.sort_columns != declared.sort_columns) {
    return Fit::kDifferent;
  }
  if (stored.value.size() > declared.value.size()) return Fit::kDifferent;
  // By position: names of value fields come from the planner and may change.
  for (size_t i = 0; i < stored.value.size(); ++i) {
    if (!stored.value[i].type.SameExceptNull(declared.value[i].type)) return Fit::kDifferent;
  }
  for (size_t i = stored.value.size(); i < declared.value.size(); ++i) {
    if (!declared.value[i].type.nullable()) return Fit::kDifferent;
  }
  const bool same = stored.value.size() == declared.value.size() &&
                    (stored.ttl_ms > 0) == (declared.ttl_ms > 0);
  return same ? Fit::kSame : Fit::kConverts;
}

std::string Describe(const StateSpec& spec) {
  std::string text = NameOf(spec.kind);
  text += " state, key (";
  for (size_t i = 0; i < spec.key_types.size(); ++i) {
    text += (i == 0 ? "" : ", ") + spec.key_types[i].ToString();
  }
  text += "), value (";
  for (size_t i = 0; i < spec.value.size(); ++i) {
    text += (i == 0 ? "" : ", ") + spec.value[i].name + " " + spec.value[i].type.ToString();
  }
  return text + ")";
}

void PutIdentity(const StateIdentity& identity, ByteWriter* to) {
  const StateSpec& spec = identity.spec;
  to->PutText(identity.operator_uid);
  to->PutText(spec.name);
  to->Put(static_cast<uint8_t>(spec.kind));
  to->Put(static_cast<uint32_t>(spec.key_types.size()));
  for (const LogicalType& type : spec.key_types) to->PutText(type.ToString());
  to->Put(static_cast<int32_t>(spec.key_group_columns));
  to->Put(static_cast<int32_t>(spec.sort_columns));
  to->Put(static_cast<uint32_t>(spec.value.size()));
  for (const runtime::Field& field : spec.value) {
    to->PutText(field.name);
    to->PutText(field.type.ToString());
  }
  to->Put(spec.ttl_ms);
}

runtime::Result<StateIdentity> GetIdentity(ByteReader* from) {
  StateIdentity identity;
  StateSpec& spec = identity.spec;
  identity.operator_uid = from->GetText();
  spec.name = from->GetText();
  spec.kind = static_cast<StateKind>(from->Get<uint8_t>());
  for (auto left = from->Get<uint32_t>(); left > 0 && from->ok(); --left) {
    ASSIGN_OR_RETURN(LogicalType type, LogicalType::Parse(from->GetText()));
    spec.key_types.push_back(std::move(type));
  }
  spec.key_group_columns = from->Get<int32_t>();
  spec.sort_columns = from->Get<int32_t>();
  for (auto left = from->Get<uint32_t>(); left > 0 && from->ok(); --left) {
    std::string name(from->GetText());
    ASSIGN_OR_RETURN(LogicalType type, LogicalType::Parse(from->GetText()));
    spec.value.push_back({std::move(name), std::move(type)});
  }
  spec.ttl_ms = from->Get<int64_t>();
  if (!from->ok()) return runtime::Status::External("state signature is cut short");
  return identity;
}

}  // namespace millrace::state
