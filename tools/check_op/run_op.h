// Runs the op of a case by itself, forward and backward.
#pragma once
#include "dist/local_rank.h"
#include "tools/check_op/op_case.h"

namespace tandem {

using Arrays = std::vector<std::vector<double>>;

struct OpResult {
    std::vector<double> y;
    Arrays dx;  // of the inputs, then of the trainable parameters; one is empty where the op gives none
};

// In the rank's compute type. arrays: values of the inputs, the trainable and the frozen parameters. dy: the output's
// gradient; empty: forward alone.
OpResult run_op(LocalRank& rank, const OpCase& c, const Arrays& arrays, const std::vector<double>& dy);

// On a rank of its own; on a card, the first.
OpResult run_op(const OpCase& c, DType dtype, const Arrays& arrays, const std::vector<double>& dy, int threads = 1,
                DeviceKind kind = DeviceKind::cpu);

}  // namespace tandem
