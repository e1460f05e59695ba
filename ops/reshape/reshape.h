// The same elements under another shape: a view, nothing is copied; in backward dy is viewed as x.
#pragma once
#include "runtime/context.h"

namespace tandem {

Value reshape(Context& ctx, const Value& x, const Shape& shape);  // of as many elements

}  // namespace tandem
