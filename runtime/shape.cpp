#include "runtime/shape.h"

#include <fmt/core.h>

namespace tandem {

void Shape::refuse(std::int64_t d) const {
    throw Error(fmt::format("[shape] expected up to 4 sizes >= 0, got {} as number {}", d, rank_ + 1));
}

}  // namespace tandem
