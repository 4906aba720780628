#pragma once

#include <memory>
#include <string>
#include <vector>

#include "runtime/api/file_system.h"
#include "state/delta.h"

namespace millrace::state {

// The file format of checkpoints and savepoints, version 1; README.md of this folder has the picture.
// Little-endian. A file is a header, blocks of about 64 KB, an index, which is a block too, and a
// footer. Every part has a CRC-32C.
inline constexpr uint32_t kStateFileVersion = 1;
inline constexpr const char* kStateFileSuffix = ".mrstate";

enum class StateFileType : uint32_t { kCheckpoint = 1, kSavepoint = 2 };

// Where a block lies and what it holds.
struct BlockEntry {
  uint32_t state;       // number in the file's list of states
  uint16_t key_group;   // kDropSlices: 65535
  BlockKind kind;
  uint64_t offset;      // of the block's header
  uint32_t bytes;       // of its payload
  uint32_t records;
};

class StateFileReader;

// Writes one state file. One IO thread. Dropped without Finish, the file is useless but may exist.
class StateFileWriter {
 public:
  static runtime::Result<std::unique_ptr<StateFileWriter>> Create(runtime::FileSystem& files,
                                                                  const std::string& path,
                                                                  StateFileType type);

  // Returns the number of this state in the file; the same uid and name give the same number.
  uint32_t AddState(const StateIdentity& identity);
  runtime::Status AddBlock(uint32_t state, uint16_t key_group, BlockKind kind, uint32_t records,
                           std::string_view payload);
  // Sorts what was copied of a table by kind and key group into blocks.
  runtime::Status AddTable(runtime::KeyGroupRange key_groups, const TablePart& table);
  // Copies all blocks of another file.
  runtime::Status AddBlocksOf(const StateFileReader& other);
  // Writes the index and the footer, and makes the file durable.
  runtime::Status Finish();
  // As Finish, for a file that only this process needs.
  runtime::Status FinishUnsynced();

  uint64_t size_bytes() const { return offset_; }

 private:
  struct Piece {
    const char* bytes;
    uint32_t size;
    uint32_t records;
  };

  explicit StateFileWriter(std::unique_ptr<runtime::WritableFile> file) : file_(std::move(file)) {}
  runtime::Status WriteIndex();
  runtime::Status AddPieces(uint32_t state, uint16_t key_group, BlockKind kind,
                            const std::vector<Piece>& pieces);

  std::unique_ptr<runtime::WritableFile> file_;
  uint64_t offset_ = 0;
  std::vector<StateIdentity> states_;
  std::vector<BlockEntry> entries_;
  std::string block_;
};

// Reads one state file. Thread-safe after Open. Errors name the file, the block and its offset.
class StateFileReader {
 public:
  static runtime::Result<std::unique_ptr<StateFileReader>> Open(runtime::FileSystem& files,
                                                                const std::string& path);

  StateFileType type() const { return type_; }
  const std::string& path() const { return path_; }
  const std::vector<std::shared_ptr<const StateIdentity>>& states() const { return states_; }
  // In the order in which they must be applied.
  const std::vector<BlockEntry>& entries() const { return entries_; }
  // Reads and verifies the payload of block number `index` of entries().
  runtime::Status ReadBlock(size_t index, std::string* payload) const;

 private:
  runtime::Status ReadIndex(uint64_t offset, uint32_t bytes);
  runtime::Status Damaged(const std::string& what, uint64_t offset) const;

  std::string path_;
  StateFileType type_ = StateFileType::kCheckpoint;
  std::unique_ptr<runtime::RandomAccessFile> file_;
  std::vector<std::shared_ptr<const StateIdentity>> states_;
  std::vector<BlockEntry> entries_;
};

}  // namespace millrace::state
