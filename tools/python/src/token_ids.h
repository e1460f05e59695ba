// Token ids and settings as Python gives them.
#pragma once
#include <nanobind/nanobind.h>

#include <cstdint>
#include <vector>

#include "tools/python/src/arguments.h"

namespace tandem::python {

namespace nb = nanobind;

// A sequence of integers, or an array [n] of int32 or int64 that has __dlpack__. An InputError for anything else.
std::vector<std::int32_t> token_ids(nb::handle ids);

// A dict of texts, made by tandem/_settings.py.
Arguments arguments_of(const nb::dict& given);

}  // namespace tandem::python
