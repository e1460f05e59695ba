// The twins' signatures.
#pragma once
#include "ops/rope/rope.h"

namespace tandem {

enum class Rotation { forward, inverse };

struct RopeRotate {
    Tensor x, positions;
    RopeTable table;
    int head_dim;
    Rotation rotation;
    Tensor y, addend;  // y = addend + rotated x; addend: empty for none
};
void rope_rotate(const CpuDevice& device, const RopeRotate& args);
void rope_rotate(const CudaDevice& device, const RopeRotate& args);

}  // namespace tandem
