// The sum of a reduce-scatter on a card.
#pragma once
#include <cstdint>
#include <span>

#include "runtime/dtype.h"

struct CUstream_st;

namespace tandem {

inline constexpr int most_parts = 8;

// range += ((parts[0] + parts[1]) + parts[2]) + …, as dist/host adds; f32 or f64; at most most_parts parts, which the
// stream's card can read.
void add_ranges(CUstream_st* stream, DType dtype, std::byte* range, std::span<const std::byte* const> parts,
                std::int64_t elements);

}  // namespace tandem
