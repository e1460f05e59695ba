// Noise in the place of a quantized weight, made as codes and scales at once: for shapes whose weights are not at hand.
#pragma once
#include <cmath>
#include <span>

#include "runtime/rng.h"

namespace tandem {

class ThreadPool;

struct Noise {
    PhiloxKey key;
    float deviation;  // standard deviation of the values, about
};

// Random bytes: what byte i is depends on key, stream and i alone.
void fill_with_random_bytes(PhiloxKey key, std::uint32_t stream, std::span<std::byte> out, ThreadPool& pool);

}  // namespace tandem
