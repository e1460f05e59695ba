// An op to be checked, with shapes for it.
#pragma once
#include <functional>
#include <vector>

#include "runtime/context.h"

namespace tandem {

struct OpCase {
    std::vector<Shape> inputs;          // all want gradients
    std::vector<Shape> trainable = {};  // parameters that are trained
    std::vector<Shape> frozen = {};     // parameters that are not
    std::function<Value(Context&, const std::vector<Value>& x, const std::vector<Param>& p)>
        op;  // p: trainable, then frozen
    // The output's relative error in a narrow type may be this many times that of rounding the exact result once: 2 for
    // an op that rounds once, more where a straightforward implementation rounds on the way. Say why at the case.
    double roundings = 2;
    double scale = 1;         // standard deviation of inputs and parameters
    bool differences = true;  // false: shapes too large for them, gradients are checked against double alone
    bool on_cards = true;     // false: it has no kernel for them
    bool same_bits = false;   // whether a card's arithmetic is the CPU's, operation for operation
};

}  // namespace tandem
