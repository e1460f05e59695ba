// Whether an op is right, for whoever writes one:
//   check_op({.inputs = {{3, 8}}, .op = [](Context& ctx, auto& x, auto&) { return my_op(ctx, x[0]); }});
// Random numbers go through it in double, whose gradients are compared with central differences; in f32 and bf16, whose
// results and gradients must be as near to those as rounding allows; and on one thread and on three, for the same bits.
// All of it once more on a card where the build has CUDA and the machine a card.
#pragma once
#include "tools/check_op/op_case.h"

namespace tandem {

// Throws an Error with a sentence for each thing that is wrong; op_failures() of op_failures.h returns them instead.
void check_op(const OpCase& c, unsigned seed = 1);

}  // namespace tandem
