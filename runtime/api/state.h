#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "runtime/types/batch.h"
#include "runtime/types/key_identity.h"
#include "runtime/types/row_layout.h"
#include "runtime/types/status.h"

// State as operators see it. An operator declares its state as StateSpecs, names the keys of a
// batch, and finds the rows of these keys pinned when it is called. It reads and writes rows
// through a pointer and a RowLayout; the backend checkpoints, evicts, expires and moves them between
// processes without the operator's help, since it knows every field's type.

namespace millrace::runtime {

enum class StateKind : uint8_t {
  kKeyed,      // one row a key (value state), or a key and a sub-key (map and set state): the
               // sub-key's columns stand behind the key's, see key_group_columns
  kSliced,     // one row a key and slice; slices are dropped whole (windows)
  kOrdered,    // per key, rows ordered by a sort key (MIN/MAX with retraction, timers, Top-N)
  kRowStore,   // per key, whole rows in insertion order (joins)
  kList,       // a list of byte strings of the subtask, not keyed; split among subtasks on rescale
  kUnionList,  // as kList, but every subtask gets all entries on restore
};

// Declares one state of an operator. The names and types are the contract of savepoints: a restore
// matches by operator uid and name, then compares types, and refuses a mismatch by name.
struct StateSpec {
  std::string name;                    // Flink's state name where Flink has one
  StateKind kind = StateKind::kKeyed;
  std::vector<LogicalType> key_types;  // kKeyed, kSliced, kOrdered, kRowStore
  int key_group_columns = 0;           // the first so many key columns decide the key group; 0: all
  int sort_columns = 0;                // kOrdered: the last so many key columns order the rows of a
                                       // key; those before them are the key and decide the group
  RowType value;                       // the row's fields; RowLayout(value) lays them out
  int64_t ttl_ms = 0;                  // 0: rows never expire; else from the last write (Flink)
};

// Names the keys of some rows of a batch. Views only; KeyRequests::Add copies it with its list of
// columns, what the vectors, rows and slices point to must live on as said there.
struct KeyNames {
  std::span<const Vector* const> columns;  // one a key column, of any encoding
  const int32_t* rows = nullptr;           // physical rows; null: 0 .. count - 1
  int32_t count = 0;
  const uint16_t* key_groups = nullptr;    // by physical row, from the exchange on the same key
                                           // columns in the same order; null: computed
  const int64_t* slices = nullptr;         // kSliced: slice of each named row, by position in rows
};

enum class Access : uint8_t {
  kRead,    // absent keys give a null pointer; rows must not be written
  kUpdate,  // absent keys give a null pointer; rows may be written after MarkChanged (a keep-first
            // deduplication would otherwise make every duplicate dirty)
  kUpsert,  // absent keys get a new, all-zero row; every named row counts as changed
  // An expired row counts as absent. Its time is renewed by kUpsert and MarkChanged only.
};

enum class Readiness : uint8_t {
  kReady,
  kPending,  // cold rows are being read on an IO thread; ask again after the waker was called
};

// Holds long strings of state rows. Bump allocation, one thread.
class StateArena {
 public:
  virtual ~StateArena() = default;
  // Returns a reference to a copy of `text` to put into a row of this table. Valid while that row is
  // pinned: compaction moves it later. A batch that is emitted must never refer to arena bytes.
  StringRef Copy(StringRef text) {
    if (text.is_inline()) return text;
    char* to = Allocate(text.size());
    __builtin_memcpy(to, text.data(), text.size());
    return {to, text.size()};
  }
  // Says that the bytes of `text` (from Copy) are not used any more.
  void Free(StringRef text) {
    if (!text.is_inline()) dead_bytes_ += text.size();
  }
  // Overwrites a string slot: frees the old, copies the new.
  void Set(StringRef* slot, StringRef text) {
    Free(*slot);
    *slot = Copy(text);
  }
  uint64_t dead_bytes() const { return dead_bytes_; }

 protected:
  char* Allocate(uint32_t bytes) {
    if (bytes > left_bytes_) Refill(bytes);
    char* at = next_;
    next_ += bytes;
    left_bytes_ -= bytes;
    return at;
  }
  // Makes next_ point to at least `bytes` free bytes.
  virtual void Refill(uint32_t bytes) = 0;
  char* next_ = nullptr;
  uint64_t left_bytes_ = 0;
  uint64_t dead_bytes_ = 0;
};

// Walks rows of a table. Opaque; starts at the beginning.
struct ScanCursor {
  int32_t key_group = -1;
  int64_t position = 0;
  bool done = false;
};

class OrderedTable;

// Maps keys to rows of fixed slots, for the key groups of one subtask. All calls by the owning
// executor thread. Row pointers point to the value slots (layout()). All pointers given out since
// the last ReleasePins stay valid, over kMore, kBlocked and calls of other operators of the chain.
// Operators call Resolve themselves only where NameKeys named none: in OnWatermark, OnTimer, OnWake,
// PrepareBarrier and Finish, and in Process of one that never names any; on kPending they return
// kBlocked and repeat it.
class KeyedTable {
 public:
  virtual ~KeyedTable() = default;

  virtual const StateSpec& spec() const = 0;
  virtual const RowLayout& layout() const = 0;
  virtual StateArena& arena() = 0;

  // Points rows[i] to the row of named key i, for i in 0 .. names.count - 1; the same key gives the
  // same pointer. With kUpsert a checkpoint in progress first copies what it still needs of the
  // row and marks it dirty, so the caller may simply write. On kPending rows[] is undefined and
  // the same call must be made again before any other Resolve of this table.
  virtual Result<Readiness> Resolve(const KeyNames& names, Access access, uint8_t** rows) = 0;
  // Forgets rows (pointers from Resolve with kUpdate or kUpsert, or a scan; null and repeated ones
  // are skipped). Their strings are freed. The pointers are dead afterwards: an operator that may
  // see a key again in the same batch erases at the end of its call.
  virtual void Erase(std::span<uint8_t* const> rows) = 0;
  // Says that rows from kUpdate or a scan will be written, as Resolve with kUpsert does.
  virtual void MarkChanged(std::span<uint8_t* const> rows) = 0;
  // Appends the key of each row to one builder a key column.
  virtual void ReadKeys(std::span<uint8_t* const> rows, std::span<VectorBuilder* const> columns) = 0;
  // Gives up to rows.size() rows; *count says how many. Order: unspecified, each row once as long
  // as nothing is added. kSliced: rows of `slice` only.
  virtual Result<Readiness> Scan(ScanCursor* cursor, int64_t slice, std::span<uint8_t*> rows,
                                 int32_t* count) = 0;
  // kSliced: slices that hold rows, ascending.
  virtual std::vector<int64_t> Slices() const = 0;
  // kSliced: forgets all rows of a slice; its memory is reused by the next slices.
  virtual void DropSlice(int64_t slice) = 0;
  // Every row pointer given out so far is dead. Called by the engine when the operator's call
  // returned neither kMore nor kBlocked.
  virtual void ReleasePins() = 0;
  // Rows in memory and evicted (an estimate if some are evicted).
  virtual int64_t num_rows() const = 0;
  // kOrdered: the same rows in order. Else null.
  virtual OrderedTable* ordered() { return nullptr; }
};

// Walks the rows of a key by their sort columns: the other face of a KeyedTable of kind kOrdered, whose
// Resolve finds or makes the row of a key and sort value (all key columns named), and whose Erase
// takes rows out of the order. Ascending by the sort columns in turn: numbers and times by value (-0.0
// before 0.0, NaN last), strings and bytes by unsigned bytes, NULL first. About log2 of the key's rows
// steps a call and row.
class OrderedTable {
 public:
  enum class End : uint8_t { kFirst, kLast };
  virtual ~OrderedTable() = default;
  // Points rows[i] to the first or last row of named key i, null if it has none. `names` holds the
  // key's columns only, without the sort columns. Pins as Resolve does; rows are written after
  // MarkChanged only.
  virtual Result<Readiness> ResolveEnds(const KeyNames& names, End end, uint8_t** rows) = 0;
  // Returns the next row of the same key from a pinned row towards that end, null if it is the end.
  virtual uint8_t* Neighbour(uint8_t* row, End towards) = 0;
};

// What an operator's list state holds: entries in order, opaque bytes.
using ListEntries = std::vector<std::string>;

// ---- What the engine sees of a backend (implemented in state/, handed over by jobs/cli). ----

// Flat copies of changed rows of one subtask at one checkpoint. Leaves the executor thread; opaque.
class StateDelta {
 public:
  virtual ~StateDelta() = default;
  virtual uint64_t size_bytes() const = 0;
};

// Holds all keyed state of one subtask. Calls by the owning executor thread unless said otherwise.
class SubtaskState {
 public:
  virtual ~SubtaskState() = default;

  // Makes or restores a state of an operator. Called for every spec before any row is used.
  // The pointer lives as long as *this. Errors: kUser if restored state has another signature.
  virtual Result<KeyedTable*> Open(const std::string& operator_uid, const StateSpec& spec) = 0;

  // Tells the time by which expiry is judged, once a batch.
  virtual void SetTime(int64_t now_ms) = 0;
  // Does a bounded piece of housekeeping (growth, compaction, eviction), under a millisecond; never
  // touches a table that has pins. Called about once a batch.
  virtual void Housekeep() = 0;

  // Freezes all tables as of now (a flip of bitmaps, no copying). One checkpoint at a time.
  // REQUIRES: no pins (checked): a row resolved before and written after would be in neither epoch.
  // `full`: every row, not only what changed since the last frozen checkpoint.
  virtual void Freeze(int64_t checkpoint_id, bool full) = 0;
  // Copies frozen rows out for at most about `budget_nanos` of CPU. True: all copied.
  virtual bool CopySome(int64_t budget_nanos) = 0;
  // Gives what was copied. REQUIRES: CopySome returned true.
  virtual std::unique_ptr<StateDelta> TakeDelta() = 0;
  // Checkpoint `id` that was frozen is over. `lost` is its delta if it was taken but never written
  // to a file: what it holds counts as changed again. A delta that was written counts as stored
  // even if the checkpoint failed elsewhere: deltas chain by file. Also called before CopySome
  // returned true, to give up.
  virtual void CheckpointEnded(int64_t id, std::unique_ptr<StateDelta> lost) = 0;

  virtual int64_t used_bytes() const = 0;
  virtual int64_t longest_slice_nanos() const = 0;
  // Restored states that no operator opened, as "uid/name": what allowNonRestoredState decides on,
  // once every Open was called.
  virtual std::vector<std::string> UnclaimedStates() const { return {}; }
};

// Where a state of an operator at a checkpoint lies. Versioned bytes, written into the manifest.
using StateHandle = std::string;

struct SubtaskStateOptions {
  std::string job_id;
  std::string vertex_uid;
  int subtask = 0;
  KeyGroupRange key_groups;
  int max_parallelism = kDefaultMaxParallelism;
  std::shared_ptr<MemoryPool> pool;
  std::function<void()> waker;       // thread-safe: makes the subtask ready after kPending
  std::function<void(std::function<void()>)> run_io;  // thread-safe: runs work that blocks; null: at
                                                      // once, so that nothing is ever pending
  std::vector<StateHandle> restore;  // handles of all subtasks of the vertex; those parts that
                                     // belong to key_groups are loaded
};

// Makes and stores keyed state. Thread-safe; Write and the loading in MakeSubtaskState block, so they
// are called on IO threads.
class StateBackend {
 public:
  virtual ~StateBackend() = default;
  virtual Result<std::unique_ptr<SubtaskState>> MakeSubtaskState(SubtaskStateOptions options) = 0;
  // Writes the deltas of some subtasks of one checkpoint into one file under `directory`, synced,
  // and returns one handle a delta, in order. A handle names everything that its subtask's state
  // at this checkpoint needs (base, ordered deltas, cold files).
  virtual Result<std::vector<StateHandle>> Write(
      const std::string& directory, int64_t checkpoint_id,
      std::span<const std::unique_ptr<StateDelta>> deltas) = 0;
  // Removes files under `directory` that none of the `needed` handles names, but none of checkpoints
  // >= `keep_from_id` (being written now). `needed`: the handles of all retained checkpoints and
  // the newest written one of every subtask, also of a checkpoint that failed elsewhere.
  virtual Status Retain(const std::string& directory, std::span<const StateHandle> needed,
                        int64_t keep_from_id) = 0;
  // Merges the files of live subtasks' states under `directory` of which there are many, or whose deltas
  // have outgrown their base, while these run on. Blocks for long; on an IO thread of its own, after a
  // checkpoint. Files merged are removed by Retain later.
  virtual Status Compact(const std::string& directory) = 0;
  // Writes the state that handles name into a savepoint: the canonical form, self-contained.
  virtual Result<std::vector<StateHandle>> WriteSavepoint(
      const std::string& directory, std::span<const StateHandle> handles) = 0;
};

}  // namespace millrace::runtime
