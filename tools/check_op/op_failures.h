// What is wrong with an op, for a test framework to report: check_op (tools/check_op/check_op.h) throws it.
#pragma once
#include <string>

#include "tools/check_op/op_case.h"

namespace tandem {

// A sentence for each thing that is wrong, with its numbers; none: the op is right.
std::vector<std::string> op_failures(const OpCase& c, unsigned seed = 1);

// What is wrong with `got` as `exact` computed in type t; empty: nothing.
std::string close_failure(const OpCase& c, DType t, const std::vector<double>& got, const std::vector<double>& exact);

}  // namespace tandem
