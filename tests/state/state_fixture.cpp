#include <catch2/catch.hpp>

#include "tests/state/state_fixture.h"

#include <stdlib.h>

#include <cstring>

namespace millrace::state {

using runtime::LogicalType;
using runtime::PhysicalType;
using runtime::Vector;
using runtime::VectorBuilder;

TemporaryFolder::TemporaryFolder() {
  char name[] = "/tmp/millrace_state_XXXXXX";
  REQUIRE(::mkdtemp(name) != nullptr);
  path_ = name;
}

TemporaryFolder::~TemporaryFolder() { (void)runtime::LocalFileSystem().RemoveTree(path_).ok(); }

bool IoQueue::RunOne() {
  if (work_.empty()) return false;
  const auto work = std::move(work_.front());
  work_.pop_front();
  work();
  return true;
}

KeyMaker::KeyMaker(std::vector<LogicalType> types, uint64_t seed, int distinct)
    : types_(std::move(types)), random_(seed), distinct_(distinct) {}

void KeyMaker::AppendRandom(VectorBuilder* to, const LogicalType& type) {
  const auto pick = static_cast<int64_t>(random_() % static_cast<uint64_t>(distinct_));
  if (type.nullable() && random_() % 16 == 0) return to->AppendNull();
  switch (type.physical()) {
    case PhysicalType::kBool: return to->Append<uint8_t>(pick & 1);
    case PhysicalType::kInt8: return to->Append(static_cast<int8_t>(pick));
    case PhysicalType::kInt16: return to->Append(static_cast<int16_t>(pick * 37));
    case PhysicalType::kInt32: return to->Append(static_cast<int32_t>(pick * 1'000'003));
    case PhysicalType::kInt64: return to->Append(pick * 1'000'000'007 - 5);
    case PhysicalType::kInt128:
      return to->Append((static_cast<runtime::Int128>(pick - 3) << 70) + pick);
    case PhysicalType::kFloat: {
      const float values[] = {0.0f, -0.0f, std::numeric_limits<float>::quiet_NaN(), 1.5f};
      return to->Append(pick < 4 ? values[pick] : static_cast<float>(pick));
    }
    case PhysicalType::kDouble: {
      const double values[] = {0.0, -0.0, std::numeric_limits<double>::quiet_NaN(), 1.5};
      return to->Append(pick < 4 ? values[pick] : static_cast<double>(pick));
    }
    case PhysicalType::kTimestamp:
      return to->Append(runtime::TimestampNanos{pick / 3, static_cast<int32_t>(pick % 3)});
    case PhysicalType::kString: {
      std::string text = "k" + std::to_string(pick);
      if (pick % 3 == 1) text += "-and a long rest";
      if (pick % 3 == 2) text = "";
      if (pick % 6 == 5) text = std::to_string(pick) + "twelve bytes at least";
      return to->AppendString(text);
    }
    default: REQUIRE(false);
  }
}

void KeyMaker::Make(int32_t count) {
  vectors_.clear();
  views_.clear();
  for (const LogicalType& type : types_) {
    VectorBuilder builder(runtime::ProcessPool(), type);
    for (int32_t i = 0; i < count; ++i) AppendRandom(&builder, type);
    vectors_.push_back(builder.Finish());
    views_.push_back(vectors_.back().get());
  }
}

ModelKey KeyMaker::Name(std::span<const Vector* const> columns, int32_t row) const {
  ModelKey name;
  for (size_t c = 0; c < types_.size(); ++c) {
    const Vector& column = *columns[c];
    if (column.IsNull(row)) {
      name += "NULL|";
      continue;
    }
    const auto at = static_cast<size_t>(column.PositionOf(row));
    if (column.physical() == PhysicalType::kString) {
      name += column.values<runtime::StringRef>()[at].view();
    } else if (column.physical() == PhysicalType::kTimestamp) {
      name.append(column.raw_values() + at * 16, 12);
    } else {
      const size_t width = runtime::WidthOf(column.physical());
      name.append(column.raw_values() + at * width, width);
    }
    name += "|";
  }
  return name;
}

std::vector<ModelKey> KeyMaker::Read(runtime::KeyedTable* table,
                                     std::span<uint8_t* const> rows) const {
  std::vector<VectorBuilder> builders;
  std::vector<VectorBuilder*> pointers;
  for (const LogicalType& type : types_) builders.emplace_back(runtime::ProcessPool(), type);
  for (VectorBuilder& builder : builders) pointers.push_back(&builder);
  table->ReadKeys(rows, pointers);
  std::vector<runtime::VectorPtr> vectors;
  std::vector<const Vector*> views;
  for (VectorBuilder& builder : builders) {
    vectors.push_back(builder.Finish());
    views.push_back(vectors.back().get());
  }
  std::vector<ModelKey> names;
  for (size_t i = 0; i < rows.size(); ++i) names.push_back(Name(views, static_cast<int32_t>(i)));
  return names;
}

runtime::Result<std::vector<runtime::StateHandle>> TakeCheckpoint(
    runtime::StateBackend* backend, const std::string& folder, int64_t id, bool full,
    std::span<const std::unique_ptr<runtime::SubtaskState>> subtasks) {
  std::vector<std::unique_ptr<runtime::StateDelta>> deltas;
  for (const auto& subtask : subtasks) {
    subtask->Freeze(id, full);
    while (!subtask->CopySome(100'000)) {
    }
    deltas.push_back(subtask->TakeDelta());
  }
  auto handles = backend->Write(folder, id, deltas);
  for (size_t i = 0; i < subtasks.size(); ++i) {
    subtasks[i]->CheckpointEnded(id, handles.ok() ? nullptr : std::move(deltas[i]));
  }
  return handles;
}

std::vector<std::unique_ptr<runtime::SubtaskState>> MakeSubtasks(
    runtime::StateBackend* backend, int parallelism,
    const std::vector<runtime::StateHandle>& handles, int max_parallelism, IoQueue* io) {
  std::vector<std::unique_ptr<runtime::SubtaskState>> subtasks;
  for (int i = 0; i < parallelism; ++i) {
    runtime::SubtaskStateOptions options;
    options.job_id = "job";
    options.vertex_uid = "vertex";
    options.subtask = i;
    options.key_groups = runtime::KeyGroupsOf(i, parallelism, max_parallelism);
    options.max_parallelism = max_parallelism;
    options.pool = runtime::ProcessPool().MakeChild("subtask");
    options.restore = handles;
    if (io != nullptr) options.run_io = io->run_io();
    auto subtask = backend->MakeSubtaskState(std::move(options));
    INFO(subtask.status().ToString());
    REQUIRE(subtask.ok());
    subtasks.push_back(std::move(subtask).value());
  }
  return subtasks;
}

}  // namespace millrace::state
