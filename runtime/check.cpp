#include "runtime/check.h"

#include <fmt/core.h>

namespace tandem {

void expect(const char* op, const char* what, const Shape& got, const Shape& wanted, std::source_location where) {
    if (got != wanted)
        throw Error(fmt::format("[{}] expected {} of shape {}, got {}", op, what, wanted.text(), got.text()), where);
}

void expect(const char* op, const char* what, bool holds, std::source_location where) {
    if (!holds) throw Error(fmt::format("[{}] expected {}", op, what), where);
}

}  // namespace tandem
