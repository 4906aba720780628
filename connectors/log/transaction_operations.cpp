// CommitTransaction, AbortTransaction and ListTransactions: our extension, see README.md.
#include <nlohmann/json.hpp>

#include "connectors/log/api_call.h"

namespace millrace::connectors {

using nlohmann::json;
using runtime::HttpRequest;
using runtime::Responder;
using runtime::Status;

namespace {

const char* StateName(TransactionState state) {
  switch (state) {
    case TransactionState::kOpen:
      return "OPEN";
    case TransactionState::kCommitted:
      return "COMMITTED";
    case TransactionState::kAborted:
      return "ABORTED";
  }
  return "";
}

ApiReply EndReply(const std::string& id, bool commit, const Status& status,
                  TransactionOutcome outcome) {
  if (!status.ok()) return InternalFailure(status);
  switch (outcome) {
    case TransactionOutcome::kDone:
    case TransactionOutcome::kAlreadyDone:
      break;
    case TransactionOutcome::kUnknown:
      return ApiError{"TransactionNotFoundException", "Transaction " + id + " not found."};
    case TransactionOutcome::kAborted:
      return ApiError{"TransactionAbortedException", "Transaction " + id + " has been aborted."};
    case TransactionOutcome::kCommitted:
      return ApiError{"TransactionCommittedException",
                      "Transaction " + id + " has been committed."};
  }
  return json{{"TransactionId", id},
              {"State", commit ? "COMMITTED" : "ABORTED"},
              {"AlreadyDone", outcome == TransactionOutcome::kAlreadyDone}}
      .dump();
}

ApiReply ListReply(const ApiContext& context, const json& request) {
  const std::string state = request.value("State", "");
  json list = json::array();
  for (const TransactionInfo& info : context.store->ListTransactions(request.value("Prefix", ""))) {
    if (!state.empty() && state != StateName(info.state)) continue;
    json entry = {{"TransactionId", info.id},
                  {"State", StateName(info.state)},
                  {"Records", info.records},
                  {"Bytes", info.size_bytes},
                  {"LastBatch", info.last_batch},
                  {"BegunTimestamp", static_cast<double>(info.begun_ms) / 1000}};
    if (info.ended_ms != 0) entry["EndedTimestamp"] = static_cast<double>(info.ended_ms) / 1000;
    list.push_back(std::move(entry));
  }
  return json{{"Transactions", list}}.dump();
}

}  // namespace

bool HandleTransaction(const ApiContext& context, const std::string& operation,
                       const HttpRequest& http_request, Responder* responder) {
  const bool commit = operation == "CommitTransaction", abort = operation == "AbortTransaction";
  if (!commit && !abort && operation != "ListTransactions") return false;
  json request = json::parse(http_request.body, nullptr, false);
  if (!request.is_object()) {
    responder->Send(MakeApiResponse(ApiError{"SerializationException", ""}));
    return true;
  }
  using enum MemberType;
  const std::vector<Member> members =
      commit || abort
          ? std::vector<Member>{{"TransactionId", kString, true, nullptr, 1, 512}}
          : std::vector<Member>{
                {"Prefix", kString, false, nullptr, 0, 512},
                {"State", kString, false, nullptr, -1, -1, {"OPEN", "COMMITTED", "ABORTED"}}};
  if (auto error = ValidateRequest(members, &request)) {
    responder->Send(MakeApiResponse(std::move(*error)));
    return true;
  }
  if (!commit && !abort) {
    responder->Send(MakeApiResponse(ListReply(context, request)));
    return true;
  }
  const std::string id = request["TransactionId"];
  auto shared_responder = std::make_shared<Responder>(std::move(*responder));
  auto done = [id, commit, shared_responder](Status status, TransactionOutcome outcome) {
    shared_responder->SendFrom(
        [=] { return MakeApiResponse(EndReply(id, commit, status, outcome)); });
  };
  if (commit) {
    context.store->CommitTransaction(id, std::move(done));
  } else {
    context.store->AbortTransaction(id, std::move(done));
  }
  return true;
}

}  // namespace millrace::connectors
