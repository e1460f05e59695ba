#include "tools/python/src/bindings.h"
#include "runtime/error.h"

namespace tandem::python {

void bind_errors(nb::module_& m) {
    nb::exception<Error> error(m, "Error", PyExc_RuntimeError);
    error.doc() = "Something failed. The message is one sentence, and names settings as Python's arguments are named.";
    // Later registered translators come first.
    nb::exception<InputError> input(m, "InputError", error.ptr());
    input.doc() = "Settings, a file or an argument are wrong; found before anything was computed.";
    nb::exception<DoesNotFit> room(m, "DoesNotFit", error.ptr());
    room.doc() = "There is not the memory for it; the message says what would fit.";
}

}  // namespace tandem::python
