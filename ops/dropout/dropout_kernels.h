// Inverted dropout: y[t,c] = x[t,c] / (1 - p) where it is kept, else 0. The mask comes from runtime/rng.h: key (seed,
// site), place (step, sample and position of token t, column c), so every computation of it is the same, and no two
// sites, samples or positions share one.
#pragma once
#include "runtime/context.h"
#include "runtime/rng.h"

namespace tandem {

struct DropoutForward {
    Tensor x;  // [tokens, columns]
    RandomSite site;
    double p;  // probability of dropping, in [0, 1)
    RandomState random;
    Tensor out;
};
void dropout_forward(const CpuDevice& device, const DropoutForward& args);
void dropout_forward(const CudaDevice& device, const DropoutForward& args);

struct DropoutBackward {
    Tensor dy;
    RandomSite site;
    double p;
    RandomState random;
    GradOut dx;
};
void dropout_backward(const CpuDevice& device, const DropoutBackward& args);
void dropout_backward(const CudaDevice& device, const DropoutBackward& args);

}  // namespace tandem
