// Measures keyed state through its contract: rows per CPU-second of the one thread that owns it, the
// generator and the reading of what would be emitted included. Each figure is checked against a plain
// computation. Usage: state_bench [--json FILE] [--quick] [NAME ...]

#include <time.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "runtime/api/state.h"
#include "runtime/types/key_identity.h"
#include "runtime/types/memory_pool.h"
#include "state/state_backend.h"

namespace millrace {
namespace {

using runtime::Access;
using runtime::KeyNames;
using runtime::LogicalType;
using runtime::PhysicalType;
using runtime::TypeKind;
using runtime::Vector;

constexpr int kBatch = 1024;
constexpr int kGroups = 64;

struct Figure {
  std::string name;
  double value;
  std::string unit;
  double floor;
};
std::vector<Figure> figures;
bool quick = false;

void Report(const std::string& name, double value, const std::string& unit, double floor = 0) {
  std::printf("%-52s %12.3f %-18s", name.c_str(), value, unit.c_str());
  if (floor != 0) std::printf(" (floor %g)", floor);
  std::printf("\n");
  std::fflush(stdout);
  figures.push_back({name, value, unit, floor});
}

double CpuSeconds(clockid_t clock = CLOCK_THREAD_CPUTIME_ID) {
  timespec now;
  ::clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}
double WallSeconds() { return CpuSeconds(CLOCK_MONOTONIC); }

void Require(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "state_bench: wrong result: %s\n", what);
  std::exit(1);
}

// xorshift64*: a nanosecond a key.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t Next() {
    state_ ^= state_ >> 12;
    state_ ^= state_ << 25;
    state_ ^= state_ >> 27;
    return state_ * 0x2545f4914f6cdd1dull;
  }
  // Below `bound`, without a division.
  uint64_t Below(uint64_t bound) {
    return static_cast<uint64_t>((static_cast<unsigned __int128>(Next()) * bound) >> 64);
  }

 private:
  uint64_t state_;
};

// One state of one subtask that owns all key groups.
struct Subject {
  explicit Subject(runtime::StateSpec spec, state::StateBackendOptions options = {}) {
    pool = runtime::MemoryPool::MakeRoot("bench", 0);
    backend = state::MakeStateBackend(std::move(options));
    runtime::SubtaskStateOptions subtask;
    subtask.job_id = "bench";
    subtask.vertex_uid = "v";
    subtask.max_parallelism = kGroups;
    subtask.key_groups = {0, kGroups - 1};
    subtask.pool = pool;
    state = std::move(backend->MakeSubtaskState(std::move(subtask))).value();
    table = state->Open("uid", spec).value();
  }
  std::shared_ptr<runtime::MemoryPool> pool;
  std::unique_ptr<runtime::StateBackend> backend;
  std::unique_ptr<runtime::SubtaskState> state;
  runtime::KeyedTable* table;
};

runtime::StateSpec CountAndSum(LogicalType key, runtime::StateKind kind = runtime::StateKind::kKeyed) {
  runtime::StateSpec spec;
  spec.name = "acc";
  spec.kind = kind;
  spec.key_types = {std::move(key)};
  spec.value = {{"count", LogicalType(TypeKind::kBigInt, false)},
                {"sum", LogicalType(TypeKind::kBigInt, false)}};
  return spec;
}

// A batch of keys, as the exchange would hand it over: a column and key groups.
class KeyBatch {
 public:
  explicit KeyBatch(const LogicalType& type)
      : column_(type.physical(), runtime::Encoding::kFlat, kBatch), encoder_({type}) {
    buffer_ = runtime::AllocateValues(runtime::ProcessPool(), type.physical(), kBatch);
    column_.SetValues(buffer_);
    views_[0] = &column_;
    if (type.physical() == PhysicalType::kString) {
      text_ = runtime::ProcessPool().Allocate(kBatch * 20);
    }
  }
  int64_t* keys() { return reinterpret_cast<int64_t*>(buffer_->data()); }
  // Turns keys 0 .. kBatch - 1 of `from` into strings of 20 bytes.
  void SetStrings(const int64_t* from) {
    auto* refs = reinterpret_cast<runtime::StringRef*>(buffer_->data());
    for (int i = 0; i < kBatch; ++i) {
      char* to = text_->data() + i * 20;
      std::memcpy(to, "customer-", 9);
      auto number = static_cast<uint64_t>(from[i]);
      for (int digit = 19; digit >= 9; --digit, number /= 10) {
        to[digit] = static_cast<char>('0' + number % 10);
      }
      refs[i] = runtime::StringRef(to, 20);
    }
  }
  KeyNames Names() {
    encoder_.KeyGroups(views_, nullptr, kBatch, kGroups, groups_);
    KeyNames names;
    names.columns = views_;
    names.count = kBatch;
    names.key_groups = groups_;
    return names;
  }

 private:
  Vector column_;
  runtime::KeyEncoder encoder_;
  runtime::BufferPtr buffer_;
  runtime::BufferPtr text_;
  const Vector* views_[1];
  uint16_t groups_[kBatch];
};

// What an aggregate that emits every update does with its rows: old and new values go out.
struct Emitted {
  int64_t old_count[kBatch], old_sum[kBatch], new_count[kBatch], new_sum[kBatch];
  uint64_t checksum = 0;

  void Update(const runtime::RowLayout& layout, uint8_t* const* rows, const int64_t* values) {
    const uint32_t count_at = layout.OffsetOf(0);
    const uint32_t sum_at = layout.OffsetOf(1);
    for (int i = 0; i < kBatch; ++i) {
      auto* count = reinterpret_cast<int64_t*>(rows[i] + count_at);
      auto* sum = reinterpret_cast<int64_t*>(rows[i] + sum_at);
      old_count[i] = *count;
      old_sum[i] = *sum;
      new_count[i] = *count += 1;
      new_sum[i] = *sum += values[i];
    }
    uint64_t all = 0;
    for (int i = 0; i < kBatch; ++i) {
      all += static_cast<uint64_t>(old_count[i] ^ new_count[i]) +
             static_cast<uint64_t>(old_sum[i] ^ new_sum[i]);
    }
    checksum += all;
  }
};

struct Totals {
  int64_t rows = 0;
  int64_t count = 0;
  int64_t sum = 0;
};

Totals TotalsOf(runtime::KeyedTable* table) {
  Totals totals;
  runtime::ScanCursor cursor;
  std::vector<uint8_t*> rows(kBatch);
  while (!cursor.done) {
    int32_t count = 0;
    (void)table->Scan(&cursor, 0, rows, &count).ok();
    for (int32_t i = 0; i < count; ++i) {
      ++totals.rows;
      totals.count += *reinterpret_cast<int64_t*>(rows[static_cast<size_t>(i)] +
                                                  table->layout().OffsetOf(0));
      totals.sum += *reinterpret_cast<int64_t*>(rows[static_cast<size_t>(i)] +
                                                table->layout().OffsetOf(1));
    }
  }
  table->ReleasePins();
  return totals;
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

struct Keyed {
  Keyed(const LogicalType& type, int64_t distinct)
      : subject(CountAndSum(type)), keys(type), distinct(distinct),
        strings(type.physical() == PhysicalType::kString) {}

  void Batch() {
    int64_t* to = strings ? numbers : keys.keys();
    for (int i = 0; i < kBatch; ++i) {
      to[i] = static_cast<int64_t>(random.Below(static_cast<uint64_t>(distinct)));
      values[i] = to[i] & 255;
    }
    if (strings) keys.SetStrings(numbers);
    for (int i = 0; i < kBatch; ++i) sum += values[i];
    subject.state->SetTime(0);
    (void)subject.table->Resolve(keys.Names(), Access::kUpsert, rows).ok();
    emitted.Update(subject.table->layout(), rows, values);
    subject.table->ReleasePins();
    subject.state->Housekeep();
    count += kBatch;
  }
  void Warm() {
    for (int64_t i = 0; i < distinct * 6 / kBatch; ++i) Batch();
  }
  void Check() {
    const Totals totals = TotalsOf(subject.table);
    Require(totals.count == count && totals.sum == sum, "counts or sums of keyed state");
  }

  Subject subject;
  KeyBatch keys;
  int64_t distinct;
  bool strings;
  Random random{42};
  Emitted emitted;
  int64_t numbers[kBatch], values[kBatch];
  uint8_t* rows[kBatch];
  int64_t count = 0;
  int64_t sum = 0;
};

void KeyedRate(const char* name, const LogicalType& type, int64_t distinct, double floor) {
  Keyed job(type, distinct);
  job.Warm();
  std::vector<double> rates;
  for (int run = 0; run < 5; ++run) {
    const double began = CpuSeconds();
    const int batches = quick ? 2000 : 20000;
    for (int i = 0; i < batches; ++i) job.Batch();
    rates.push_back(batches * static_cast<double>(kBatch) / (CpuSeconds() - began) / 1e6);
  }
  job.Check();
  Report(std::string(name) + ", median", Median(rates), "M rows/s/core", floor);
  Report(std::string(name) + ", best", *std::max_element(rates.begin(), rates.end()),
         "M rows/s/core");
}

// The same with a checkpoint a second, written by another thread, whose CPU counts.
void Checkpoints() {
  const std::string folder = std::filesystem::temp_directory_path() / "millrace_state_bench";
  Keyed job(LogicalType(TypeKind::kBigInt), 1'000'000);
  job.Warm();
  const int seconds = quick ? 3 : 11;
  double rates[2];
  double copy_seconds = 0;   // of the owning thread: flips and slices
  double write_seconds = 0;  // of the writing thread
  double longest = 0;
  int taken = 0;
  double megabytes = 0;
  for (const bool with : {false, true, false, true}) {
    if (with && taken == 0) {  // the base is not part of the measure
      job.subject.state->Freeze(1, true);
      while (!job.subject.state->CopySome(200'000)) {
      }
      std::vector<std::unique_ptr<runtime::StateDelta>> deltas;
      deltas.push_back(job.subject.state->TakeDelta());
      Require(job.subject.backend->Write(folder, 1, deltas).ok(), "writing a checkpoint");
      job.subject.state->CheckpointEnded(1, nullptr);
    }
    const double began = CpuSeconds(CLOCK_PROCESS_CPUTIME_ID);
    const double began_wall = WallSeconds();
    double next = began_wall + 1;
    int64_t batches = 0;
    bool copying = false;
    std::thread writer;
    int64_t id = 2 + taken;
    while (WallSeconds() < began_wall + seconds) {
      for (int i = 0; i < 4; ++i) job.Batch();
      batches += 4;
      if (!with) continue;
      if (!copying && WallSeconds() >= next) {
        next += 1;
        const double before = CpuSeconds();
        job.subject.state->Freeze(++id, false);
        longest = std::max(longest, CpuSeconds() - before);
        copy_seconds += CpuSeconds() - before;
        copying = true;
      }
      bool copied = false;
      if (copying) {
        const double before = CpuSeconds();
        copied = job.subject.state->CopySome(100'000);
        longest = std::max(longest, CpuSeconds() - before);
        copy_seconds += CpuSeconds() - before;
      }
      if (copied) {
        copying = false;
        if (writer.joinable()) writer.join();
        std::vector<std::unique_ptr<runtime::StateDelta>> deltas;
        deltas.push_back(job.subject.state->TakeDelta());
        megabytes = static_cast<double>(deltas[0]->size_bytes()) / 1e6;
        writer = std::thread([&job, &folder, &write_seconds, id, deltas = std::move(deltas)]() mutable {
          auto handles = job.subject.backend->Write(folder, id, deltas);
          Require(handles.ok(), "writing a checkpoint");
          (void)job.subject.backend->Retain(folder, *handles, id).ok();
          write_seconds += CpuSeconds();
        });
        job.subject.state->CheckpointEnded(id, nullptr);
        ++taken;
      }
    }
    if (writer.joinable()) writer.join();
    if (copying) {
      job.subject.state->CheckpointEnded(id, nullptr);
    }
    const double used = CpuSeconds(CLOCK_PROCESS_CPUTIME_ID) - began;
    const double rate = static_cast<double>(batches) * kBatch / used / 1e6;
    rates[with] = rate;
  }
  job.Check();
  Report("keyed COUNT+SUM, 1 s checkpoints", rates[1], "M rows/s/core", 20);
  Report("cost of 1 s checkpoints (below)", (1 - rates[1] / rates[0]) * 100, "%", 5);
  Report("CPU a checkpoint: flip and slices", copy_seconds / taken * 1e3, "ms");
  Report("CPU a checkpoint: sort, CRC, write, sync", write_seconds / taken * 1e3, "ms");
  Report("longest slice or flip, CPU (below)", longest * 1e3, "ms", 1);
  Report("checkpoints taken", taken, "");
  Report("bytes a checkpoint", megabytes, "MB");
  std::filesystem::remove_all(folder);
}

void DirtyShare() {
  Keyed job(LogicalType(TypeKind::kBigInt), 1'000'000);
  job.Warm();
  uint64_t bytes[2];
  for (int run = 0; run < 2; ++run) {
    job.subject.state->Freeze(run + 1, run == 0);
    while (!job.subject.state->CopySome(200'000)) {
    }
    std::vector<std::unique_ptr<runtime::StateDelta>> deltas;
    deltas.push_back(job.subject.state->TakeDelta());
    bytes[run] = deltas[0]->size_bytes();
    const std::string folder = std::filesystem::temp_directory_path() / "millrace_state_bench";
    Require(job.subject.backend->Write(folder, run + 1, deltas).ok(), "writing a checkpoint");
    job.subject.state->CheckpointEnded(run + 1, nullptr);
    job.distinct = 10'000;  // 1 % of the keys from here on
    for (int i = 0; i < 100; ++i) job.Batch();
    std::filesystem::remove_all(folder);
  }
  Report("bytes written with 1 % of the rows dirty (below)",
         static_cast<double>(bytes[1]) / static_cast<double>(bytes[0]) * 100, "% of a full one", 3);
}

// Twice: the second run gets memory that the process touched before, as pools of a running job do.
void Growth(bool report) {
  const int64_t distinct = quick ? 1'000'000 : 10'000'000;
  Subject subject(CountAndSum(LogicalType(TypeKind::kBigInt)));
  KeyBatch keys((LogicalType(TypeKind::kBigInt)));
  uint8_t* rows[kBatch];
  double longest = 0;
  const double began = CpuSeconds();
  for (int64_t next = 0; next < distinct; next += kBatch) {
    for (int i = 0; i < kBatch; ++i) {
      keys.keys()[i] = static_cast<int64_t>(static_cast<uint64_t>(next + i) * 0x9e3779b97f4a7c15ull);
    }
    const KeyNames names = keys.Names();
    const double before = CpuSeconds();
    (void)subject.table->Resolve(names, Access::kUpsert, rows).ok();
    longest = std::max(longest, CpuSeconds() - before);
    for (uint8_t* row : rows) *reinterpret_cast<int64_t*>(row + 8) = 1;
    subject.table->ReleasePins();
  }
  const double used = CpuSeconds() - began;
  if (!report) return;
  Report("growth: inserts of distinct BIGINT keys",
         static_cast<double>(subject.table->num_rows()) / used / 1e6, "M rows/s/core", 9);
  Report("growth: longest batch of 1,024 (CPU)", longest * 1e3, "ms");
  Report("growth: memory",
         static_cast<double>(subject.state->used_bytes()) /
             static_cast<double>(subject.table->num_rows()), "B a key");
}

// COUNT in tumbling windows of 1 s of event time, 1 M events a second, fired and dropped.
void Tumbling(const char* name, int64_t events_a_slice, double floor) {
  runtime::StateSpec spec;
  spec.name = "window";
  spec.kind = runtime::StateKind::kSliced;
  spec.key_types = {LogicalType(TypeKind::kBigInt)};
  spec.value = {{"count", LogicalType(TypeKind::kBigInt, false)}};
  Subject subject(spec);
  KeyBatch keys((LogicalType(TypeKind::kBigInt)));
  Random random(7);
  uint8_t* rows[kBatch];
  std::vector<uint8_t*> scanned(kBatch);
  int64_t slices[kBatch];
  const uint32_t count_at = subject.table->layout().OffsetOf(0);
  int64_t fired = 0;
  std::vector<double> rates;
  const int64_t batches = quick ? 4000 : 20000;
  int64_t event = 0;
  int64_t open = 0;  // the slice that was not fired yet
  for (int run = 0; run < 4; ++run) {
    const double began = CpuSeconds();
    for (int64_t b = 0; b < batches; ++b) {
      for (int i = 0; i < kBatch; ++i) {
        keys.keys()[i] = static_cast<int64_t>(random.Below(100'000));
      }
      const int64_t first = event / events_a_slice;
      const int64_t last = (event + kBatch - 1) / events_a_slice;
      for (int i = 0; i < kBatch; ++i) {
        slices[i] = first == last ? first : (event + i) / events_a_slice;
      }
      event += kBatch;
      KeyNames names = keys.Names();
      names.slices = slices;
      (void)subject.table->Resolve(names, Access::kUpsert, rows).ok();
      for (uint8_t* row : rows) ++*reinterpret_cast<int64_t*>(row + count_at);
      for (; open < event / events_a_slice; ++open) {
        runtime::ScanCursor cursor;
        while (!cursor.done) {
          int32_t count = 0;
          (void)subject.table->Scan(&cursor, open, scanned, &count).ok();
          for (int32_t i = 0; i < count; ++i) {
            fired += *reinterpret_cast<int64_t*>(scanned[static_cast<size_t>(i)] + count_at);
          }
        }
        subject.table->DropSlice(open);
      }
      subject.table->ReleasePins();
      subject.state->Housekeep();
    }
    if (run > 0) {
      rates.push_back(static_cast<double>(batches) * kBatch / (CpuSeconds() - began) / 1e6);
    }
  }
  Require(fired == event / events_a_slice * events_a_slice, "fired windows");
  Report(name, Median(rates), "M rows/s/core", floor);
}

int64_t ResidentBytes() {
  std::FILE* file = std::fopen("/proc/self/statm", "r");
  long total = 0, resident = 0;
  if (std::fscanf(file, "%ld %ld", &total, &resident) != 2) resident = 0;
  std::fclose(file);
  return resident * 4096;
}

}  // namespace
}  // namespace millrace

int main(int count, char** arguments) {
  using namespace millrace;
  std::string json;
  std::vector<std::string> wanted;
  for (int i = 1; i < count; ++i) {
    const std::string argument = arguments[i];
    if (argument == "--json" && i + 1 < count) json = arguments[++i];
    else if (argument == "--quick") quick = true;
    else wanted.push_back(argument);
  }
  const LogicalType big(TypeKind::kBigInt);
  const std::pair<const char*, std::function<void()>> all[] = {
      {"keyed", [&] { KeyedRate("keyed COUNT+SUM, 1 M BIGINT keys", big, 1'000'000, 20); }},
      {"varchar", [&] {
         KeyedRate("keyed COUNT+SUM, 1 M VARCHAR(20) keys", LogicalType::VarChar(), 1'000'000, 8);
       }},
      {"hot", [&] { KeyedRate("keyed COUNT+SUM, 10 K BIGINT keys", big, 10'000, 0); }},
      {"checkpoints", Checkpoints},
      {"dirty", DirtyShare},
      {"growth", [] {
         Growth(false);
         Growth(true);
       }},
      {"tumbling", [] {
         Tumbling("tumbling COUNT, 100 K keys, 10 s windows", 10'000'000, 40);
         Tumbling("tumbling COUNT, 100 K keys, 1 s windows", 1'000'000, 40);
         Tumbling("tumbling COUNT, 100 K keys, 100 ms windows", 100'000, 0);
       }},
  };
  for (const auto& [name, run] : all) {
    if (wanted.empty() || std::find(wanted.begin(), wanted.end(), name) != wanted.end()) run();
  }
  std::printf("resident at the end: %.1f MB\n", static_cast<double>(ResidentBytes()) / 1e6);
  if (!json.empty()) {
    std::FILE* file = std::fopen(json.c_str(), "w");
    if (file == nullptr) return 1;
    std::fprintf(file, "[\n");
    for (size_t i = 0; i < figures.size(); ++i) {
      std::fprintf(file, "  {\"name\": \"%s\", \"value\": %g, \"unit\": \"%s\", \"floor\": %g}%s\n",
                   figures[i].name.c_str(), figures[i].value, figures[i].unit.c_str(),
                   figures[i].floor, i + 1 < figures.size() ? "," : "");
    }
    std::fprintf(file, "]\n");
    std::fclose(file);
  }
  return 0;
}
