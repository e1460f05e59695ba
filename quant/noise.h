// Noise in the place of a quantized weight, made as codes and scales at once: for shapes whose weights are not at hand.
#pragma once
#include <cstddef>
#include <span>

#include "runtime/rng.h"

namespace tandem {

class ThreadPool;

struct Noise {
    PhiloxKey key;
    float deviation;  // standard deviation of the values, about
};

// Random bytes: the 16 from byte 16 i on are philox(key, {stream, i >> 32, i, 0}). `first`: the number of the first
// byte, a multiple of 16.
void random_bytes(PhiloxKey key, std::uint32_t stream, std::uint64_t first, std::span<std::byte> out);
// From the first on, by all threads.
void random_bytes(PhiloxKey key, std::uint32_t stream, std::span<std::byte> out, ThreadPool& pool);

}  // namespace tandem
