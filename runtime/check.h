// Contracts of ops.
#pragma once
#include "runtime/tensor.h"

namespace tandem {

void expect(const char* op, const char* what, const Shape& got, const Shape& wanted,
            std::source_location where = std::source_location::current());
void expect(const char* op, const char* what, bool holds,
            std::source_location where = std::source_location::current());

}  // namespace tandem
