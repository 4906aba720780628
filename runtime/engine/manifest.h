#pragma once

#include <map>
#include <string>
#include <vector>

#include "runtime/api/file_system.h"
#include "runtime/api/sink.h"
#include "runtime/api/source.h"
#include "runtime/engine/chain.h"

namespace millrace::runtime {

// Everything that a checkpoint or savepoint consists of, or where it lies. The file `_metadata` of
// a checkpoint's folder; written last and atomically: what it names is complete. Format: "MRCP",
// version (u32), CRC-32C of the rest (u32), CBOR of the fields below, little-endian.
struct Manifest {
  static constexpr uint32_t kVersion = 1;

  struct SubtaskPart {
    int subtask = 0;
    StateHandle state;                        // empty: no keyed state
    std::vector<OperatorSnapshot> operators;  // without committables
  };
  struct VertexPart {
    std::string uid;
    int parallelism = 1;
    std::vector<SubtaskPart> subtasks;
  };
  struct EnumeratorPart {
    std::string snapshot;
    std::vector<Split> unassigned;
  };

  std::string job_id;
  std::string job_name;
  int64_t checkpoint_id = 0;
  int64_t time_ms = 0;
  bool savepoint = false;
  int max_parallelism = kDefaultMaxParallelism;
  std::vector<VertexPart> vertices;
  std::map<std::string, EnumeratorPart> enumerators;             // by source uid
  std::map<std::string, std::vector<Committable>> committables;  // by sink uid, not yet committed

  std::string Encode() const;
  // Errors say what is wrong with `path`'s bytes.
  static Result<Manifest> Decode(const std::string& bytes, const std::string& path);

  // Every state handle.
  std::vector<StateHandle> Handles() const;
};

inline constexpr char kManifestName[] = "_metadata";

// N of a folder ".../chk-N"; -1: it is no checkpoint's.
int64_t CheckpointNumber(const std::string& path);

// Reads the manifest of a checkpoint: `path` is its folder, its _metadata file, or a folder of
// checkpoints chk-N, of which the newest complete one is taken. `*found` gets the folder taken.
Result<Manifest> ReadManifest(FileSystem& files, const std::string& path, std::string* found);

}  // namespace millrace::runtime
