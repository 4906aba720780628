#pragma once

#include <string>
#include <string_view>

#include "state/hot_table.h"
#include "state/state_file.h"

namespace millrace::state {

// The canonical form of rows, independent of hot and checkpoint layouts. A record of a kCanonical block:
//   uint32 n, n bytes: the key as Flink's BinaryRowData (fixed 8-byte header word, slots, variable part)
//   uint32 m, m bytes: the value, a BinaryRowData of the state's value fields
//   int64 slice                        if the state is sliced
//   int64 ms of the last write         if its rows expire

// Writes all rows of a table into canonical blocks, by key group.
runtime::Status WriteCanonicalRows(HotTable* table, runtime::MemoryPool& pool,
                                   StateFileWriter* file);
// Adds the rows of one such block to a table. False: the block is malformed.
bool LoadCanonicalBlock(HotTable* table, std::string_view payload, uint32_t records,
                        runtime::MemoryPool& pool);
// Copies all rows of a table into an empty one of the same key, whose value may have more fields (NULL
// in what comes over).
void CopyTable(HotTable* from, HotTable* to, runtime::MemoryPool& pool);

}  // namespace millrace::state
