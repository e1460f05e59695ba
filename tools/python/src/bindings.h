// What the module's parts add to it.
#pragma once
#include <nanobind/nanobind.h>

namespace tandem::python {

namespace nb = nanobind;

void bind_errors(nb::module_& m);
void bind_tensor(nb::module_& m);
void bind_quantized_weight(nb::module_& m);
void bind_model(nb::module_& m);
void bind_fine_tune(nb::module_& m);

}  // namespace tandem::python
