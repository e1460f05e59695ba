// Contracts of ops.
#pragma once
#include "runtime/tensor.h"

namespace tandem {

inline void expect(const char* op, const char* what, const Shape& got, const Shape& wanted,
                   std::source_location where = std::source_location::current()) {
    if (got != wanted)
        throw Error(fmt::format("[{}] expected {} of shape {}, got {}", op, what, wanted.text(), got.text()), where);
}

inline void expect(const char* op, const char* what, bool holds,
                   std::source_location where = std::source_location::current()) {
    if (!holds) throw Error(fmt::format("[{}] expected {}", op, what), where);
}

}  // namespace tandem
