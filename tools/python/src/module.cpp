#include "tools/python/src/bindings.h"

NB_MODULE(_tandem, m) {
    nanobind::set_leak_warnings(false);  // an exit with objects still alive is no fault of the user's
    tandem::python::bind_errors(m);
    tandem::python::bind_tensor(m);
    tandem::python::bind_quantized_weight(m);
    tandem::python::bind_model(m);
    tandem::python::bind_fine_tune(m);
}
