#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "tests/bench/generated_rows.h"

// Rows whose keys make more state than there is memory for.

namespace millrace::bench {

constexpr int64_t kManyKeys = 10'000'000;

// Draws ranks below `count`, rank r with a probability of about 1 / (r + 1)^0.99 (Gray et al.,
// Quickly generating billion-record synthetic databases, 1994; as YCSB does).
class Zipf {
 public:
  explicit Zipf(int64_t count) : count_(static_cast<double>(count)) {
    double zeta = 0;
    for (int64_t i = 1; i <= count; ++i) zeta += std::pow(1.0 / static_cast<double>(i), kTheta);
    zeta_ = zeta;
    const double zeta2 = 1 + std::pow(0.5, kTheta);
    eta_ = (1 - std::pow(2 / count_, 1 - kTheta)) / (1 - zeta2 / zeta_);
  }
  int64_t Rank(uint64_t random) const {
    const double u = static_cast<double>(random >> 11) * 0x1p-53;
    const double uz = u * zeta_;
    if (uz < 1) return 0;
    if (uz < 1 + std::pow(0.5, kTheta)) return 1;
    const auto rank =
        static_cast<int64_t>(count_ * std::pow(eta_ * u - eta_ + 1, 1 / (1 - kTheta)));
    return std::min(rank, static_cast<int64_t>(count_) - 1);
  }

 private:
  static constexpr double kTheta = 0.99;
  const double count_;
  double zeta_ = 0, eta_ = 0;
};

// First each of the keys once, then keys at random. `zipf`: not uniform. Of kSmall only one key.
enum class ManyKeys { kSmall, kUniform, kZipf };

class ManyKeysReader : public SourceReader {
 public:
  ManyKeysReader(ManyKeys kind, std::shared_ptr<const Zipf> zipf)
      : kind_(kind), zipf_(std::move(zipf)) {}
  ~ManyKeysReader() override { rows_in += static_cast<uint64_t>(next_); }
  Status Open(OperatorContext& context) override {
    context_ = &context;
    return Status::Ok();
  }
  Status AddSplits(const std::vector<Split>& splits) override {
    has_split_ |= !splits.empty();
    return Status::Ok();
  }
  void NoMoreSplits() override { no_more_ = true; }
  Result<Progress> Poll(ReadOutput* out) override {
    if (!has_split_) return no_more_ ? Progress::kFinished : Progress::kBlocked;
    out->split = 0;
    const int32_t rows = context_->settings().batch_rows;
    BufferPtr buffer = AllocateValues(context_->pool(), PhysicalType::kInt64, rows);
    auto* to = reinterpret_cast<int64_t*>(buffer->data());
    for (int32_t i = 0; i < rows; ++i, ++next_) to[i] = KeyOf(next_);
    auto vector = std::make_shared<Vector>(PhysicalType::kInt64, Encoding::kFlat, rows);
    vector->SetValues(std::move(buffer));
    out->batch = std::make_shared<Batch>(std::vector<VectorPtr>{std::move(vector)}, rows);
    return Progress::kMore;
  }
  Result<std::vector<Split>> Snapshot() override {
    return std::vector<Split>{{"rows-" + std::to_string(context_->subtask()), ""}};
  }

 private:
  int64_t KeyOf(int64_t number) const {
    if (kind_ == ManyKeys::kSmall) return 0;
    const int64_t first = number * context_->parallelism() + context_->subtask();
    if (first < kManyKeys) return Spread(first);
    const uint64_t random =
        Mix(static_cast<uint64_t>(number) * kGamma + static_cast<uint64_t>(context_->subtask()));
    if (kind_ == ManyKeys::kZipf) return Spread(zipf_->Rank(random));
    return static_cast<int64_t>(((random >> 32) * static_cast<uint64_t>(kManyKeys)) >> 32);
  }
  // A permutation, so that neighbours in rank are none as keys.
  static int64_t Spread(int64_t rank) { return rank * 7'368'787 % kManyKeys; }

  const ManyKeys kind_;
  const std::shared_ptr<const Zipf> zipf_;
  OperatorContext* context_ = nullptr;
  int64_t next_ = 0;
  bool has_split_ = false, no_more_ = false;
};

class ManyKeysSource : public Source {
 public:
  ManyKeysSource(ManyKeys kind, int parallelism)
      : kind_(kind),
        zipf_(kind == ManyKeys::kZipf ? std::make_shared<Zipf>(kManyKeys) : nullptr),
        parallelism_(parallelism) {}
  Result<std::unique_ptr<SplitEnumerator>> MakeEnumerator() override {
    return GeneratedSource(Shape::kKeyed, parallelism_).MakeEnumerator();
  }
  Result<std::unique_ptr<SourceReader>> MakeReader() override {
    return std::make_unique<ManyKeysReader>(kind_, zipf_);
  }
  bool bounded() const override { return false; }

 private:
  const ManyKeys kind_;
  const std::shared_ptr<const Zipf> zipf_;
  const int parallelism_;
};

inline void AddManyKeysConnectors(Registry* registry) {
  constexpr std::pair<const char*, ManyKeys> kSources[] = {{"one-key", ManyKeys::kSmall},
                                                           {"many-keys", ManyKeys::kUniform},
                                                           {"many-keys-zipf", ManyKeys::kZipf}};
  for (const auto& [name, kind] : kSources) {
    ConnectorInfo info;
    info.name = name;
    info.make_source = [kind = kind](const TableSpec& table) -> Result<std::unique_ptr<Source>> {
      return std::make_unique<ManyKeysSource>(kind, table.parallelism);
    };
    registry->AddConnector(std::move(info));
  }
}

// Most bytes of the process that were in memory since Reset, sampled.
class ResidentPeak {
 public:
  static int64_t Now() {
    std::ifstream file("/proc/self/statm");
    int64_t total = 0, resident = 0;
    file >> total >> resident;
    return resident * 4096;
  }
  void Sample() { peak_ = std::max(peak_, Now()); }
  int64_t peak() const { return peak_; }

 private:
  int64_t peak_ = 0;
};

}  // namespace millrace::bench
