#pragma once

#include "operators/expression/kernel.h"

namespace millrace::operators {

// The parts of CAST by what they convert. Each returns a BoundCall without kernel if the pair of
// types is not its own. `try_cast`: an error is NULL instead.
runtime::Result<BoundCall> BindNumberCast(const CallShape& call, bool try_cast);
runtime::Result<BoundCall> BindTextCast(const CallShape& call, bool try_cast);
runtime::Result<BoundCall> BindTimeCast(const CallShape& call, bool try_cast);

}  // namespace millrace::operators
