// Measures the calc of the issue over batches in memory: a filter that keeps half, two arithmetic
// columns, a CASE; every value that is kept is read. Rows per CPU-second, median of five.
//
// usage: expression_bench [--json FILE]

#include <sys/resource.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <vector>

#include "operators/expression/expression.h"
#include "runtime/types/batch.h"

namespace {

using millrace::operators::EvaluationContext;
using millrace::operators::Evaluator;
using millrace::runtime::Batch;
using millrace::runtime::BatchBuilder;
using millrace::runtime::BatchPtr;
using millrace::runtime::LogicalType;
using millrace::runtime::TypeKind;
using nlohmann::json;

constexpr int kBatches = 64;
constexpr int kRows = 1024;

double CpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         1e-6 * static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

json Ref(int index) { return {{"kind", "INPUT_REF"}, {"inputIndex", index}, {"type", "BIGINT"}}; }
json Number(int64_t value) {
  return {{"kind", "LITERAL"}, {"value", value}, {"type", "BIGINT NOT NULL"}};
}
json Call(const char* name, const char* type, std::vector<json> operands) {
  return {{"kind", "CALL"},
          {"internalName", std::string("$") + name + "$1"},
          {"operands", operands},
          {"type", type}};
}

// What a row of the projection is, computed plainly: the checksum must be the same.
struct Expected {
  int64_t sum = 0;
  int64_t rows = 0;
};

}  // namespace

int main(int argc, char** argv) {
  const char* json_file = nullptr;
  for (int i = 1; i + 1 < argc; ++i) {
    if (std::strcmp(argv[i], "--json") == 0) json_file = argv[i + 1];
  }
  millrace::runtime::RowType type;
  for (const char* name : {"a", "b", "c"}) type.push_back({name, LogicalType(TypeKind::kBigInt)});
  uint64_t state = 1;
  const auto random = [&] {
    state += 0x9E3779B97F4A7C15ULL;
    uint64_t z = state;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
    return z ^ (z >> 31);
  };
  std::vector<BatchPtr> batches;
  Expected expected;
  for (int n = 0; n < kBatches; ++n) {
    BatchBuilder builder(millrace::runtime::ProcessPool(), type, kRows);
    for (int row = 0; row < kRows; ++row) {
      int64_t values[3];
      bool nulls[3];
      for (int column = 0; column < 3; ++column) {
        values[column] = static_cast<int64_t>(random() >> 44);
        nulls[column] = random() % 16 == 0;
        if (nulls[column]) {
          builder.column(column).AppendNull();
        } else {
          builder.column(column).Append(values[column]);
        }
      }
      builder.EndRow();
      const auto [a, b, c] = values;
      if (nulls[0] || a <= (1 << 19)) continue;
      ++expected.rows;
      if (!nulls[1]) expected.sum += a + 3 * b;
      if (!nulls[1] && !nulls[2]) expected.sum += a * b - c;
      if (!nulls[1] && b > c && !nulls[2]) {
        expected.sum += b;
      } else if (!nulls[2]) {
        expected.sum += c;
      }
    }
    batches.push_back(builder.Finish());
  }
  const json projection = json::array(
      {Call("+", "BIGINT", {Ref(0), Call("*", "BIGINT", {Number(3), Ref(1)})}),
       Call("-", "BIGINT", {Call("*", "BIGINT", {Ref(0), Ref(1)}), Ref(2)}),
       Call("CASE", "BIGINT", {Call(">", "BOOLEAN", {Ref(1), Ref(2)}), Ref(1), Ref(2)})});
  const json condition = Call(">", "BOOLEAN", {Ref(0), Number(1 << 19)});
  auto evaluator = Evaluator::Make(projection.dump(), condition.dump(), type, {});
  if (!evaluator.ok()) {
    std::fprintf(stderr, "%s\n", evaluator.status().message().c_str());
    return 1;
  }
  const auto run = [&](bool touch, Expected* got) {
    for (const BatchPtr& batch : batches) {
      auto result = (*evaluator)->Project(EvaluationContext(), batch);
      if (!result.ok()) std::abort();
      if (!touch) continue;
      const Batch& output = **result;
      got->rows += output.num_rows();
      for (int column = 0; column < output.num_columns(); ++column) {
        const millrace::runtime::Vector& vector = output.column(column);
        const int64_t* values = vector.values<int64_t>();
        int64_t sum = 0;
        for (int32_t i = 0; i < output.num_rows(); ++i) {
          const int32_t row = output.selection()[i];
          const bool valid =
              !vector.may_have_nulls() || (vector.validity()[row >> 6] >> (row & 63) & 1);
          sum += values[row] & -static_cast<int64_t>(valid);
        }
        got->sum += sum;
      }
    }
  };
  Expected got;
  run(true, &got);
  if (got.sum != expected.sum || got.rows != expected.rows) {
    std::fprintf(stderr, "wrong: sum %lld rows %lld, expected %lld and %lld\n",
                 static_cast<long long>(got.sum), static_cast<long long>(got.rows),
                 static_cast<long long>(expected.sum), static_cast<long long>(expected.rows));
    return 1;
  }
  json report = json::array();
  for (const bool touch : {false, true}) {
    std::vector<double> rates;
    for (int repeat = 0; repeat < 6; ++repeat) {
      const double start = CpuSeconds();
      int64_t rows = 0;
      while (CpuSeconds() - start < 0.3) {
        for (int i = 0; i < 20; ++i) run(touch, &got);
        rows += 20LL * kBatches * kRows;
      }
      if (repeat > 0) rates.push_back(static_cast<double>(rows) / (CpuSeconds() - start));
    }
    std::sort(rates.begin(), rates.end());
    const double median = rates[rates.size() / 2];
    const std::string name = touch ? "expression.calc.touch" : "expression.calc";
    std::printf("%-24s %8.1f M rows/s/core  (%.2f ns a row)\n", name.c_str(), median / 1e6,
                1e9 / median);
    report.push_back({{"name", name},
                      {"value", median / 1e6},
                      {"unit", "M rows/s/core"},
                      {"floor", touch ? 150 : 200}});
  }
  if (json_file != nullptr) std::ofstream(json_file) << report.dump(2) << "\n";
  return 0;
}
