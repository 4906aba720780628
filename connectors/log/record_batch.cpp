#include "connectors/log/record_batch.h"

#include <algorithm>

namespace millrace::connectors {

void RecordBatch::Grow(size_t wanted) { bytes_.resize(std::max(wanted, bytes_.size() * 2)); }

}  // namespace millrace::connectors
