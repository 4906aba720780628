#include "runtime/engine/node_context.h"

namespace millrace::runtime {

namespace {
bool IsList(StateKind kind) { return kind == StateKind::kList || kind == StateKind::kUnionList; }
}  // namespace

Status NodeOperatorContext::OpenStates(const std::string& uid, std::vector<StateSpec> specs,
                                       const std::map<std::string, ListEntries>& restored_lists) {
  specs_ = std::move(specs);
  for (const StateSpec& spec : specs_) {
    KeyedTable* table = nullptr;
    ListEntries entries;
    if (IsList(spec.kind)) {
      auto found = restored_lists.find(spec.name);
      if (found != restored_lists.end()) entries = found->second;
    } else {
      ASSIGN_OR_RETURN(table, environment_->state->Open(uid, spec));
    }
    tables_.push_back(table);
    lists_.push_back(std::move(entries));
  }
  return Status::Ok();
}

uint8_t* const* NodeOperatorContext::rows(int index, int request) {
  for (size_t i = 0; i < used_; ++i) {
    if (requests_[i].state == index && request-- == 0) {
      CHECK_THAT_HOLDS(requests_[i].resolved);
      return requests_[i].rows.data();
    }
  }
  CHECK_THAT_HOLDS(false && "rows() of a state whose keys were named");
  return nullptr;
}

void NodeOperatorContext::SetProcessingTimer(int64_t time_ms) {
  if (time_ms >= timer_ms_) return;
  timer_ms_ = time_ms;
  if (time_ms < environment_->next_timer_ms) environment_->next_timer_ms = time_ms;
}

bool NodeOperatorContext::TakeTimer(int64_t now_ms) {
  if (timer_ms_ > now_ms) return false;
  timer_ms_ = INT64_MAX;
  return true;
}

std::function<void()> NodeOperatorContext::waker() {
  return [waker = environment_->waker, woken = woken_] {
    woken->store(true);
    waker->Wake();
  };
}

void NodeOperatorContext::Add(int state, Access access, const KeyNames& names) {
  if (used_ == requests_.size()) requests_.emplace_back();
  Request& request = requests_[used_++];
  request.state = state;
  request.access = access;
  request.names = names;
  request.columns.assign(names.columns.begin(), names.columns.end());
  request.names.columns = request.columns;
  request.rows.resize(static_cast<size_t>(names.count));
  request.resolved = false;
}

Result<bool> NodeOperatorContext::ResolveRequests() {
  for (size_t i = 0; i < used_; ++i) {
    Request& request = requests_[i];
    if (request.resolved) continue;
    ASSIGN_OR_RETURN(const Readiness readiness,
                     tables_[static_cast<size_t>(request.state)]->Resolve(
                         request.names, request.access, request.rows.data()));
    if (readiness == Readiness::kPending) return false;
    request.resolved = true;
  }
  return true;
}

void NodeOperatorContext::ReleasePins() {
  used_ = 0;
  for (KeyedTable* table : tables_) {
    if (table != nullptr) table->ReleasePins();
  }
}

void NodeOperatorContext::CollectLists(
    std::vector<std::pair<std::string, ListEntries>>* lists) const {
  for (size_t i = 0; i < specs_.size(); ++i) {
    if (IsList(specs_[i].kind)) lists->emplace_back(specs_[i].name, lists_[i]);
  }
}

}  // namespace millrace::runtime
