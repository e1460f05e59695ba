// The rank that single ops run on: one of the process, with every core, one op at a time.
#pragma once
#include <functional>

#include "dist/local_rank.h"

namespace tandem::python {

// Without the GIL.
void on_local_rank(const std::function<void(Context&)>& body);

}  // namespace tandem::python
