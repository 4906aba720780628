// Ordered state against a map of sets: find or make, erase, first, last, neighbours, restores.

#include <catch2/catch.hpp>

#include <set>

#include "tests/state/state_fixture.h"

namespace millrace::state {
namespace {

using runtime::Access;
using runtime::LogicalType;
using runtime::OrderedTable;
using runtime::TypeKind;

// Keys 0 .. 19 and sort values of one type, made so that the model's order is that of an int64_t.
class OrderedRun {
 public:
  OrderedRun(LogicalType sort_type, uint64_t seed, int64_t keys)
      : random_(seed), sort_type_(std::move(sort_type)), num_keys_(keys), backend_(MakeStateBackend({})) {
    spec_.name = "ordered";
    spec_.kind = runtime::StateKind::kOrdered;
    if (num_keys_ > 0) spec_.key_types = {LogicalType(TypeKind::kBigInt)};
    spec_.key_types.push_back(sort_type_);
    spec_.sort_columns = 1;
    spec_.value = {{"n", LogicalType(TypeKind::kBigInt)}};
    Start({});
  }

  void Go() {
    for (int step = 0; step < 60; ++step) {
      const bool erase = random_() % 3 == 0;
      std::vector<std::pair<int64_t, int64_t>> named(1 + random_() % 1400);
      for (auto& [key, sort] : named) {
        key = num_keys_ > 0 ? static_cast<int64_t>(random_() % static_cast<uint64_t>(num_keys_)) : 0;
        sort = static_cast<int64_t>(random_() % 300);
      }
      Change(named, erase);
      Check();
      if (random_() % 8 == 0) {
        auto handles = TakeCheckpoint(backend_.get(), folder_.path(), ++checkpoint_, false, subtasks_);
        REQUIRE(handles.ok());
        if (random_() % 2 == 0) handles = backend_->WriteSavepoint(folder_.path(), *handles);
        if (random_() % 2 == 0) Start(*handles);
        Check();
      }
    }
  }

 private:
  void Start(const std::vector<runtime::StateHandle>& handles) {
    subtasks_ = MakeSubtasks(backend_.get(), 1, handles);
    auto opened = subtasks_[0]->Open("uid", spec_);
    INFO(opened.status().ToString());
    REQUIRE(opened.ok());
    table_ = *opened;
    REQUIRE(table_->ordered() != nullptr);
  }

  runtime::VectorPtr Column(const LogicalType& type, const std::vector<int64_t>& values) {
    runtime::VectorBuilder builder(runtime::ProcessPool(), type);
    for (const int64_t value : values) {
      switch (type.physical()) {
        case runtime::PhysicalType::kInt64: builder.Append(value - 100); break;
        case runtime::PhysicalType::kDouble: builder.Append(static_cast<double>(value) - 100); break;
        case runtime::PhysicalType::kInt128:
          builder.Append((static_cast<runtime::Int128>(value) - 100) << 66);
          break;
        case runtime::PhysicalType::kString: {
          char text[40];
          std::snprintf(text, sizeof(text), "%05d and more than inline", static_cast<int>(value));
          builder.AppendString(text);
          break;
        }
        default: FAIL("type");
      }
    }
    return builder.Finish();
  }

  void Change(const std::vector<std::pair<int64_t, int64_t>>& named, bool erase) {
    std::vector<int64_t> keys, sorts;
    for (const auto& [key, sort] : named) {
      keys.push_back(key);
      sorts.push_back(sort);
    }
    const auto key_column = Column(LogicalType(TypeKind::kBigInt), keys);
    const auto sort_column = Column(sort_type_, sorts);
    std::vector<const runtime::Vector*> columns;
    if (num_keys_ > 0) columns.push_back(key_column.get());
    columns.push_back(sort_column.get());
    runtime::KeyNames names;
    names.columns = columns;
    names.count = static_cast<int32_t>(named.size());
    std::vector<uint8_t*> rows(named.size());
    REQUIRE(table_->Resolve(names, erase ? Access::kUpdate : Access::kUpsert, rows.data()).ok());
    for (size_t i = 0; i < named.size(); ++i) {
      auto& sorts_of_key = model_[named[i].first];
      if (erase) {
        REQUIRE((rows[i] != nullptr) == sorts_of_key.contains(named[i].second));
      } else {
        *reinterpret_cast<int64_t*>(rows[i] + table_->layout().OffsetOf(0)) = named[i].second;
      }
    }
    for (const auto& [key, sort] : named) {
      if (erase) model_[key].erase(sort);
      else model_[key].insert(sort);
    }
    if (erase) table_->Erase(rows);
    table_->ReleasePins();
  }

  int64_t NumberAt(const uint8_t* row) const {
    return *reinterpret_cast<const int64_t*>(row + table_->layout().OffsetOf(0));
  }

  void Check() {
    std::vector<int64_t> keys;
    for (int64_t key = 0; key < std::max<int64_t>(num_keys_, 1); ++key) keys.push_back(key);
    const auto key_column = Column(LogicalType(TypeKind::kBigInt), keys);
    std::vector<const runtime::Vector*> columns;
    if (num_keys_ > 0) columns.push_back(key_column.get());
    runtime::KeyNames names;
    names.columns = columns;
    names.count = static_cast<int32_t>(keys.size());
    std::vector<uint8_t*> first(keys.size()), last(keys.size());
    auto* ordered = table_->ordered();
    REQUIRE(ordered->ResolveEnds(names, OrderedTable::End::kFirst, first.data()).ok());
    REQUIRE(ordered->ResolveEnds(names, OrderedTable::End::kLast, last.data()).ok());
    for (const int64_t key : keys) {
      const auto& sorts = model_[key];
      const auto i = static_cast<size_t>(key);
      REQUIRE((first[i] == nullptr) == sorts.empty());
      if (sorts.empty()) continue;
      REQUIRE(NumberAt(first[i]) == *sorts.begin());
      REQUIRE(NumberAt(last[i]) == *sorts.rbegin());
      if (random_() % 4 != 0) continue;
      uint8_t* row = first[i];
      for (const int64_t sort : sorts) {
        if (row == nullptr || NumberAt(row) != sort) FAIL("order differs from the model");
        row = ordered->Neighbour(row, OrderedTable::End::kLast);
      }
      REQUIRE(row == nullptr);
      row = ordered->Neighbour(last[i], OrderedTable::End::kFirst);
      REQUIRE((row == nullptr) == (sorts.size() == 1));
    }
    table_->ReleasePins();
  }

  std::mt19937_64 random_;
  LogicalType sort_type_;
  int64_t num_keys_;
  TemporaryFolder folder_;
  std::unique_ptr<runtime::StateBackend> backend_;
  runtime::StateSpec spec_;
  std::vector<std::unique_ptr<runtime::SubtaskState>> subtasks_;
  runtime::KeyedTable* table_ = nullptr;
  std::map<int64_t, std::set<int64_t>> model_;
  int64_t checkpoint_ = 0;
};

TEST_CASE("ordered state gives the rows of a key in order") {
  const LogicalType types[] = {LogicalType(TypeKind::kBigInt), LogicalType(TypeKind::kDouble),
                               LogicalType::Decimal(38, 0), LogicalType::VarChar()};
  for (const LogicalType& type : types) {
    for (const int64_t keys : {0, 1, 20, 2000}) {
      INFO(type.ToString() << ", keys " << keys);
      OrderedRun(type, static_cast<uint64_t>(keys) + 5, keys).Go();
    }
  }
}

}  // namespace
}  // namespace millrace::state
