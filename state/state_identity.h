#pragma once

#include <string>

#include "runtime/api/state.h"
#include "state/byte_stream.h"
#include "state/delta.h"

namespace millrace::state {

// How a stored state fits what an operator declares now.
enum class Fit : uint8_t {
  kSame,       // rows load as they are
  kConverts,   // same key; value gained nullable fields at its end, or expiry was turned on or off
  kDifferent,  // refused
};

Fit FitOf(const runtime::StateSpec& stored, const runtime::StateSpec& declared);
// One line: kind, key types, value fields. For messages.
std::string Describe(const runtime::StateSpec& spec);

void PutIdentity(const StateIdentity& identity, ByteWriter* to);
runtime::Result<StateIdentity> GetIdentity(ByteReader* from);

}  // namespace millrace::state
