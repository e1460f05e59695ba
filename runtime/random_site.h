// The key of a module's random numbers (runtime/rng.h).
#pragma once
#include <cstdint>

namespace tandem {

// Where a module draws its numbers; `module` numbers the places within a layer.
struct RandomSite {
    std::uint32_t layer, module;
};

}  // namespace tandem
