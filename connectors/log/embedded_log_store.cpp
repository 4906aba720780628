#include "connectors/log/embedded_log_store.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <shared_mutex>
#include <thread>

#include "connectors/log/cluster_file.h"
#include "connectors/log/clusterer.h"
#include "connectors/log/log_format.h"
#include "connectors/log/log_recovery.h"
#include "connectors/log/segment_set.h"
#include "connectors/log/shard_index.h"
#include "connectors/log/unit_builder.h"
#include "connectors/log/unit_cache.h"
#include "runtime/types/check.h"

namespace millrace::connectors {

using runtime::Result;
using runtime::Retry;
using runtime::Status;
using SteadyClock = std::chrono::steady_clock;

namespace {
constexpr char kStateName[] = "STATE";
constexpr int64_t kHousekeepingMs = 1000;
constexpr std::chrono::seconds kOfferAgainAfter(5);  // it looks at the whole index
}  // namespace

class EmbeddedLogStore::Impl {
 public:
  Impl(std::unique_ptr<SegmentFolder> folder, const EmbeddedLogOptions& options)
      : options_(options),
        clock_(options.clock == nullptr ? runtime::SystemClock() : *options.clock),
        folder_(std::move(folder)),
        segments_(folder_.get(), options.segment_bytes, options.spares_max),
        clusterer_(folder_.get(), &segments_, &index_, &index_mutex_),
        cache_(options.cache_bytes) {}

  Status Open(const Shards& shards);
  void Stop();

  void Enqueue(PendingCall call);
  Result<ReadBatch> Read(ShardNumber shard, RecordCounter from, size_t records_max,
                         size_t bytes_max);
  Result<RecordCounter> FindTime(ShardNumber shard, int64_t time_ms);

  const EmbeddedLogOptions options_;
  const runtime::Clock& clock_;
  const std::unique_ptr<SegmentFolder> folder_;

  std::shared_mutex index_mutex_;  // guards index_ and cache_; the writer alone takes it
                                   // exclusively but for declarations
  ShardIndex index_;

  std::atomic<uint64_t> units_{0}, records_{0}, bytes_written_{0}, bytes_read_{0};
  RecoveryResult recovery_;
  SegmentSet segments_;
  Clusterer clusterer_;

 private:
  struct Piece {  // of a read: an extent, and what keeps it readable
    Extent extent;
    const char* bytes = nullptr;
    std::shared_ptr<const void> held;
    std::shared_ptr<SegmentSet::Segment> segment;
  };

  void WriterLoop();
  bool TakeCalls(std::vector<PendingCall>* calls);
  void Commit(std::vector<PendingCall>* calls);
  Status WriteUnit(const BuiltUnit& unit, uint64_t* generation, uint64_t* offset);
  void Publish(const BuiltUnit& unit, uint64_t generation, uint64_t offset);
  static void Complete(std::vector<PendingCall>* calls, int64_t time_ms);
  void SyncIfDue();
  void KeepHouse();
  void OfferOldest();
  Status LoadPiece(Piece* piece);

  UnitCache cache_;

  std::mutex queue_mutex_;  // guards what follows
  std::condition_variable queue_filled_;
  std::vector<PendingCall> queue_;
  size_t queued_bytes_ = 0;
  size_t in_flight_bytes_ = 0;
  bool writer_waits_ = false;
  bool stopping_ = false;

  // The writer's own.
  UnitBuilder builder_;
  uint64_t next_sequence_ = 1;
  int64_t last_time_ms_ = 0;
  size_t last_calls_ = 0;
  std::shared_ptr<SegmentSet::Segment> unsynced_;
  uint64_t last_offered_ = 0;
  SteadyClock::time_point last_offer_;
  SteadyClock::time_point last_sync_;
  SteadyClock::time_point last_housekeeping_;
  std::thread writer_;
};

Status EmbeddedLogStore::Impl::Open(const Shards& shards) {
  RETURN_IF_ERROR(folder_->Lock());
  std::string state;
  ASSIGN_OR_RETURN(state, folder_->ReadAll(kStateName));
  RETURN_IF_ERROR(index_.DecodeState(state).Within("state of the log, file " + folder_->path() +
                                                   "/" + kStateName));
  for (const auto& [shard, retention_ms] : shards) index_.DeclareShard(shard, retention_ms);
  uint64_t newest_cluster = 0;
  ASSIGN_OR_RETURN(newest_cluster, LoadClusters(folder_.get(), &segments_, &index_));
  ASSIGN_OR_RETURN(recovery_, RecoverLog(folder_.get(), &segments_, &index_));
  index_.Expire(clock_.NowMs(), clock_.NowMs() - options_.transaction_memory_ms);
  next_sequence_ = recovery_.next_sequence;
  last_time_ms_ = recovery_.last_time_ms;
  last_housekeeping_ = last_sync_ = SteadyClock::now();
  clusterer_.Start(newest_cluster);
  for (const uint64_t generation : segments_.Sealed()) clusterer_.Offer(generation, false);
  writer_ = std::thread([this] { WriterLoop(); });
  return Status::Ok();
}

void EmbeddedLogStore::Impl::Stop() {
  {
    std::lock_guard lock(queue_mutex_);
    stopping_ = true;
    queue_filled_.notify_all();
  }
  if (writer_.joinable()) writer_.join();
  clusterer_.Stop();
}

void EmbeddedLogStore::Impl::Enqueue(PendingCall call) {
  const size_t size_bytes = call.batch.size_bytes();
  {
    std::lock_guard lock(queue_mutex_);
    if (stopping_) {
      call.status = Status::External("the log is stopping");
    } else if (queued_bytes_ + in_flight_bytes_ + size_bytes > options_.pending_bytes_max &&
               queued_bytes_ + in_flight_bytes_ > 0) {
      call.status = Status::External("the log is overloaded: more bytes wait for the disk than " +
                                     std::to_string(options_.pending_bytes_max));
    } else {
      queued_bytes_ += size_bytes;
      queue_.push_back(std::move(call));
      if (writer_waits_) queue_filled_.notify_one();
      return;
    }
  }
  std::vector<PendingCall> refused;
  refused.push_back(std::move(call));
  Complete(&refused, 0);
}

bool EmbeddedLogStore::Impl::TakeCalls(std::vector<PendingCall>* calls) {
  calls->clear();
  std::unique_lock lock(queue_mutex_);
  in_flight_bytes_ = 0;
  const auto wait_until = [&](SteadyClock::time_point deadline, auto ready) {
    writer_waits_ = true;
    queue_filled_.wait_until(lock, deadline, ready);
    writer_waits_ = false;
  };
  if (queue_.empty() && !stopping_) {
    const int64_t idle_ms = unsynced_ != nullptr ? options_.sync_interval_ms : kHousekeepingMs;
    wait_until(SteadyClock::now() + std::chrono::milliseconds(idle_ms),
               [&] { return !queue_.empty() || stopping_; });
  }
  if (last_calls_ > 1 && !queue_.empty() && queued_bytes_ < options_.unit_bytes && !stopping_) {
    // Under load a sync costs more than a short wait for those who are about to call.
    const auto deadline = SteadyClock::now() + std::chrono::microseconds(options_.gather_us);
    const size_t enough = last_calls_;
    wait_until(deadline, [&] {
      return queued_bytes_ >= options_.unit_bytes || queue_.size() >= enough || stopping_;
    });
  }
  size_t taken_bytes = 0;
  size_t taken = 0;
  while (taken < queue_.size() && (taken == 0 || taken_bytes < options_.unit_bytes)) {
    taken_bytes += queue_[taken++].batch.size_bytes();
  }
  if (taken == queue_.size()) {
    std::swap(*calls, queue_);
  } else {
    calls->assign(std::make_move_iterator(queue_.begin()),
                  std::make_move_iterator(queue_.begin() + static_cast<ptrdiff_t>(taken)));
    queue_.erase(queue_.begin(), queue_.begin() + static_cast<ptrdiff_t>(taken));
  }
  queued_bytes_ -= taken_bytes;
  in_flight_bytes_ = taken_bytes;
  last_calls_ = taken;
  return !(stopping_ && calls->empty());
}

void EmbeddedLogStore::Impl::WriterLoop() {
  std::vector<PendingCall> calls;
  while (TakeCalls(&calls)) {
    if (!calls.empty()) Commit(&calls);
    SyncIfDue();
    if (SteadyClock::now() - last_housekeeping_ > std::chrono::milliseconds(kHousekeepingMs)) {
      last_housekeeping_ = SteadyClock::now();
      KeepHouse();
    }
  }
  if (unsynced_ != nullptr) (void)unsynced_->file->Sync();
  // An empty unit behind the last one: a later start can tell damage to it from a torn tail.
  if (next_sequence_ > 1) Commit(&calls);
}

void EmbeddedLogStore::Impl::Commit(std::vector<PendingCall>* calls) {
  const int64_t time_ms = last_time_ms_ = std::max(last_time_ms_, clock_.NowMs());
  BuiltUnit unit;
  {
    std::shared_lock lock(index_mutex_);
    unit = builder_.Build(calls, &index_, time_ms, next_sequence_);
  }
  if (unit.length > 0) {
    uint64_t generation = 0, offset = 0;
    const Status status = WriteUnit(unit, &generation, &offset);
    if (status.ok()) Publish(unit, generation, offset);
    for (PendingCall& call : *calls) {
      if (call.status.ok()) call.status = status;
    }
  }
  Complete(calls, time_ms);
}

Status EmbeddedLogStore::Impl::WriteUnit(const BuiltUnit& unit, uint64_t* generation,
                                         uint64_t* offset) {
  bool begins = false;
  if (!segments_.Fits(unit.length)) {
    if (unsynced_ != nullptr) RETURN_IF_ERROR(unsynced_->file->Sync());
    unsynced_ = nullptr;
    const auto full = segments_.active();
    RETURN_IF_ERROR(segments_.Roll(unit.length));
    if (full != nullptr) clusterer_.Offer(full->generation, false);
    begins = true;
  }
  const auto segment = segments_.active();
  UnitBuilder::Seal(unit, segment->generation);
  Status status;
  if (begins) {
    SegmentHead head{};
    head.version = kFormatVersion;
    head.pages = static_cast<uint32_t>(segment->file->size_bytes() / kSegmentPageBytes);
    head.generation = segment->generation;
    head.first_unit_sequence = next_sequence_;
    head.created_ms = last_time_ms_;
    SealSegmentHead(&head);
    std::memset(unit.buffer->data(), 0, kSegmentPageBytes);
    std::memcpy(unit.buffer->data(), &head, sizeof(head));
    status = segment->file->WriteAt(0, kSegmentPageBytes + unit.length, unit.buffer->data());
  } else {
    status = segment->file->WriteAt(segments_.offset(), unit.length, unit.unit());
  }
  if (status.ok()) {
    if (options_.durability == Durability::kDisk) {
      status = segment->file->Sync();
    } else {
      unsynced_ = segment;
    }
  }
  if (!status.ok()) {
    // What reached the file is unknown. The next unit goes to a new segment with this sequence, by
    // which recovery knows that this one does not count.
    segments_.Abandon();
    return status;
  }
  *generation = segment->generation;
  *offset = segments_.offset();
  segments_.Advance(unit.length);
  ++next_sequence_;
  ++units_;
  records_ += unit.records;
  bytes_written_ += unit.length;
  return Status::Ok();
}

void EmbeddedLogStore::Impl::Publish(const BuiltUnit& unit, uint64_t generation, uint64_t offset) {
  std::unique_lock lock(index_mutex_);
  const Status status = ApplyUnit(generation, offset, unit.unit(), &index_);
  CHECK_THAT_HOLDS(status.ok());
  cache_.Add(generation, offset, unit.unit(), unit.length, unit.buffer);
}

void EmbeddedLogStore::Impl::Complete(std::vector<PendingCall>* calls, int64_t time_ms) {
  for (PendingCall& call : *calls) {
    if (call.append_done != nullptr) {
      call.append_done(std::move(call.status), std::move(call.batch), time_ms);
    } else if (call.end_done != nullptr) {
      call.end_done(std::move(call.status), call.outcome);
    }
  }
}

void EmbeddedLogStore::Impl::SyncIfDue() {
  if (unsynced_ == nullptr) return;
  const auto now = SteadyClock::now();
  if (now - last_sync_ < std::chrono::milliseconds(options_.sync_interval_ms)) return;
  last_sync_ = now;
  if (unsynced_->file->Sync().ok()) unsynced_ = nullptr;
}

void EmbeddedLogStore::Impl::KeepHouse() {
  const int64_t now_ms = clock_.NowMs();
  std::vector<std::string> timed_out;
  {
    std::unique_lock lock(index_mutex_);
    index_.Expire(now_ms, now_ms - options_.transaction_memory_ms);
    timed_out = index_.OpenTransactionsBefore(now_ms - options_.transaction_timeout_ms);
  }
  if (!timed_out.empty()) {
    std::vector<PendingCall> calls(timed_out.size());
    for (size_t i = 0; i < calls.size(); ++i) {
      calls[i].id = timed_out[i];
      calls[i].end_done = [](Status, TransactionOutcome) {};
    }
    Commit(&calls);
  }
  bool saved = false;
  while (segments_.Oldest() != nullptr) {
    const uint64_t generation = segments_.Oldest()->generation;
    std::string state;
    {
      std::shared_lock lock(index_mutex_);
      if (index_.LiveIn(generation).extents > 0) break;
      if (!saved) state = index_.EncodeState();
    }
    // What only this segment still says must be saved before it goes.
    if (!saved && !folder_->WriteAtomically(kStateName, state).ok()) break;
    saved = true;
    if (!segments_.FreeOldest().ok()) break;
    std::unique_lock lock(index_mutex_);
    index_.ForgetSegment(generation);
  }
  for (const uint64_t generation : segments_.Clusters()) {
    std::unique_lock lock(index_mutex_);
    if (index_.LiveIn(generation).extents > 0) continue;
    index_.ForgetSegment(generation);
    lock.unlock();
    (void)!segments_.RemoveCluster(generation).ok();  // tried again at the next start
  }
  OfferOldest();
}

// A segment that few records hold back is re-clustered, so that it can be freed. Tried again from
// time to time: what an open transaction holds can be moved once it commits.
void EmbeddedLogStore::Impl::OfferOldest() {
  const auto oldest = segments_.Oldest();
  if (oldest == nullptr) return;
  const auto now = SteadyClock::now();
  if (oldest->generation == last_offered_ && now - last_offer_ < kOfferAgainAfter) return;
  {
    std::shared_lock lock(index_mutex_);
    const auto live_bytes = static_cast<uint64_t>(index_.LiveIn(oldest->generation).bytes);
    if (live_bytes > oldest->file->size_bytes() / 2) return;
  }
  last_offered_ = oldest->generation;
  last_offer_ = now;
  clusterer_.Offer(oldest->generation, true);
}

Status EmbeddedLogStore::Impl::LoadPiece(Piece* piece) {
  if (piece->bytes != nullptr) return Status::Ok();
  const Extent& extent = piece->extent;
  auto bytes = std::make_shared<std::string>(extent.bytes, '\0');
  RETURN_IF_ERROR(piece->segment->file->ReadAt(extent.offset, extent.bytes, bytes->data()));
  bytes_read_ += extent.bytes;
  size_t at = 0;
  while (at < bytes->size()) {
    if (!CheckRun(extent.generation, bytes->data() + at, bytes->size() - at)) {
      return Status::Internal("the log is damaged: a checksum is wrong; file " +
                              piece->segment->file->path() + ", offset " +
                              std::to_string(extent.offset + at));
    }
    RunHead run;
    std::memcpy(&run, bytes->data() + at, sizeof(run));
    at = AlignTo(at + sizeof(run) + run.body_bytes, 8);
  }
  piece->bytes = bytes->data();
  piece->held = std::move(bytes);
  return Status::Ok();
}

Result<ReadBatch> EmbeddedLogStore::Impl::Read(ShardNumber shard, RecordCounter from,
                                               size_t records_max, size_t bytes_max) {
  std::vector<Piece> pieces;
  ReadBatch batch;
  int64_t next_time_ms = 0;  // of the first record behind the pieces
  {
    std::shared_lock lock(index_mutex_);
    const ShardState* state = index_.Find(shard);
    if (state == nullptr) return Status::User("shard is not known: " + std::to_string(shard));
    auto at = std::upper_bound(
        state->extents.begin(), state->extents.end(), from,
        [](RecordCounter counter, const Extent& extent) { return counter < extent.first_counter; });
    if (at != state->extents.begin() &&
        std::prev(at)->first_counter + std::prev(at)->records > from) {
      --at;
    }
    size_t records = 0, bytes = 0;
    for (; at != state->extents.end() && records < records_max && bytes < bytes_max; ++at) {
      Piece piece{*at, nullptr, nullptr, nullptr};
      std::shared_ptr<PageBuffer> held;
      piece.bytes = cache_.Find(at->generation, at->offset, &held);
      piece.held = std::move(held);
      if (piece.bytes == nullptr) {
        piece.segment = segments_.Find(at->generation);
        CHECK_THAT_HOLDS(piece.segment != nullptr);  // live extents keep their file
      }
      const uint64_t skipped = from > at->first_counter ? from - at->first_counter : 0;
      records += at->records - skipped;
      bytes += at->bytes / at->records * (at->records - skipped);
      pieces.push_back(std::move(piece));
    }
    if (at != state->extents.end()) next_time_ms = at->time_ms;
    batch.next_counter =
        std::max(from, pieces.empty() ? from : pieces.front().extent.first_counter);
  }
  size_t bytes = 0;
  bool full = false;
  for (Piece& piece : pieces) {
    RETURN_IF_ERROR(LoadPiece(&piece));
    RecordCounter counter = piece.extent.first_counter;
    size_t run_at = 0;
    while (run_at < piece.extent.bytes && !full) {
      RunHead head;
      std::memcpy(&head, piece.bytes + run_at, sizeof(head));
      const char* at = piece.bytes + run_at + sizeof(head);
      const char* const end = at + head.body_bytes;
      run_at = AlignTo(run_at + sizeof(head) + head.body_bytes, 8);
      // What a transaction gave its records is known to the index alone.
      const int64_t time_ms =
          head.kind == RunKind::kTransactionRecords ? piece.extent.time_ms : head.time_ms;
      std::string_view key, data;
      for (uint32_t i = 0; i < head.records; ++i, ++counter) {
        if (!NextRecord(&at, end, &key, &data)) {
          return Status::Internal("a run of the log holds fewer records than it says; generation " +
                                  std::to_string(piece.extent.generation) + ", offset " +
                                  std::to_string(piece.extent.offset));
        }
        if (counter < from) continue;
        const size_t size = key.size() + data.size();
        full = batch.records.size() >= records_max ||
               (!batch.records.empty() && bytes + size > bytes_max);
        if (full) {
          next_time_ms = time_ms;
          break;
        }
        bytes += size;
        batch.records.push_back({counter, time_ms, key, data});
        batch.next_counter = counter + 1;
      }
    }
    batch.held.push_back(std::move(piece.held));
    if (full) break;
  }
  if (next_time_ms != 0) batch.behind_ms = std::max<int64_t>(1, clock_.NowMs() - next_time_ms);
  return batch;
}

Result<RecordCounter> EmbeddedLogStore::Impl::FindTime(ShardNumber shard, int64_t time_ms) {
  Piece piece{};
  {
    std::shared_lock lock(index_mutex_);
    const ShardState* state = index_.Find(shard);
    if (state == nullptr) return Status::User("shard is not known: " + std::to_string(shard));
    const auto at = std::lower_bound(
        state->extents.begin(), state->extents.end(), time_ms,
        [](const Extent& extent, int64_t time_ms) { return extent.last_time_ms < time_ms; });
    if (at == state->extents.end()) return state->next_counter;
    if (at->time_ms >= time_ms) return at->first_counter;
    piece.extent = *at;
    piece.segment = segments_.Find(at->generation);
  }
  // Somewhere inside: only an extent of a cluster has more than one time.
  RETURN_IF_ERROR(LoadPiece(&piece));
  RecordCounter counter = piece.extent.first_counter;
  for (size_t at = 0; at < piece.extent.bytes;) {
    RunHead head;
    std::memcpy(&head, piece.bytes + at, sizeof(head));
    if (head.time_ms >= time_ms) break;
    counter += head.records;
    at = AlignTo(at + sizeof(head) + head.body_bytes, 8);
  }
  return counter;
}

EmbeddedLogStore::EmbeddedLogStore(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
EmbeddedLogStore::~EmbeddedLogStore() { impl_->Stop(); }

Result<std::unique_ptr<EmbeddedLogStore>> EmbeddedLogStore::Open(
    std::unique_ptr<SegmentFolder> folder, const EmbeddedLogOptions& options,
    const Shards& shards) {
  auto impl = std::make_unique<Impl>(std::move(folder), options);
  RETURN_IF_ERROR(impl->Open(shards));
  return std::unique_ptr<EmbeddedLogStore>(new EmbeddedLogStore(std::move(impl)));
}

void EmbeddedLogStore::DeclareShard(ShardNumber shard, int64_t retention_ms) {
  std::unique_lock lock(impl_->index_mutex_);
  impl_->index_.DeclareShard(shard, retention_ms);
}

void EmbeddedLogStore::DropShards(const std::vector<ShardNumber>& shards) {
  std::unique_lock lock(impl_->index_mutex_);
  for (const ShardNumber shard : shards) impl_->index_.DropShard(shard);
}

void EmbeddedLogStore::Append(RecordBatch batch, AppendDone done) {
  CHECK_THAT_HOLDS(!batch.empty());
  PendingCall call;
  call.batch = std::move(batch);
  call.append_done = std::move(done);
  impl_->Enqueue(std::move(call));
}

void EmbeddedLogStore::CommitTransaction(std::string id, TransactionDone done) {
  PendingCall call;
  call.id = std::move(id);
  call.commit = true;
  call.end_done = std::move(done);
  impl_->Enqueue(std::move(call));
}

void EmbeddedLogStore::AbortTransaction(std::string id, TransactionDone done) {
  PendingCall call;
  call.id = std::move(id);
  call.end_done = std::move(done);
  impl_->Enqueue(std::move(call));
}

std::vector<TransactionInfo> EmbeddedLogStore::ListTransactions(std::string_view prefix) {
  std::shared_lock lock(impl_->index_mutex_);
  return impl_->index_.ListTransactions(prefix);
}

Result<ReadBatch> EmbeddedLogStore::Read(ShardNumber shard, RecordCounter from, size_t records_max,
                                         size_t bytes_max) {
  return impl_->Read(shard, from, records_max, bytes_max);
}

Result<ShardEnds> EmbeddedLogStore::Ends(ShardNumber shard) {
  std::shared_lock lock(impl_->index_mutex_);
  const ShardState* state = impl_->index_.Find(shard);
  if (state == nullptr) return Status::User("shard is not known: " + std::to_string(shard));
  ShardEnds ends;
  ends.next_counter = state->next_counter;
  ends.first_counter =
      state->extents.empty() ? state->next_counter : state->extents.front().first_counter;
  ends.last_time_ms = state->last_time_ms;
  return ends;
}

Result<RecordCounter> EmbeddedLogStore::FindTime(ShardNumber shard, int64_t time_ms) {
  return impl_->FindTime(shard, time_ms);
}

void EmbeddedLogStore::WaitUntilClustered() { impl_->clusterer_.Wait(); }

EmbeddedLogCounts EmbeddedLogStore::counts() const {
  return {impl_->units_,
          impl_->records_,
          impl_->bytes_written_,
          impl_->bytes_read_,
          impl_->segments_.count(),
          impl_->segments_.Clusters().size(),
          impl_->recovery_.units,
          impl_->recovery_.torn_bytes};
}

}  // namespace millrace::connectors
