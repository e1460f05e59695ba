#include "tools/python/src/token_ids.h"

#include <nanobind/stl/string.h>

#include <limits>

#include "tools/python/src/array.h"

namespace tandem::python {

namespace {

std::int32_t narrow(std::int64_t id) {
    if (id < std::numeric_limits<std::int32_t>::min() || id > std::numeric_limits<std::int32_t>::max())
        throw InputError("[ids] expected ids of 32 bits, got " + std::to_string(id));
    return std::int32_t(id);
}

template <class T> std::vector<std::int32_t> narrowed(const Tensor& t) {
    const T* from = t.as<T>();
    std::vector<std::int32_t> ids;
    for (std::int64_t i = 0; i < t.elements(); i++) ids.push_back(narrow(from[i]));
    return ids;
}

std::vector<std::int32_t> ids_of_array(nb::handle x) {
    const Tensor t = as_array(x).tensor;
    if (t.shape().rank() == 1 && t.dtype() == DType::i64) return narrowed<std::int64_t>(t);
    if (t.shape().rank() == 1 && t.dtype() == DType::i32) return narrowed<std::int32_t>(t);
    throw InputError("[ids] expected ids [n] in int32 or int64, got " + t.shape().text() + " in " +
                     python_name(t.dtype()));
}

}  // namespace

std::vector<std::int32_t> token_ids(nb::handle x) {
    if (nb::isinstance<Array>(x) || nb::hasattr(x, "__dlpack__")) return ids_of_array(x);
    if (nb::isinstance<nb::str>(x)) throw InputError("[ids] expected token ids, got text; encode it first");
    std::vector<std::int32_t> ids;
    for (nb::handle item : nb::iter(x)) {
        std::int64_t id = 0;
        if (!nb::try_cast(item, id)) {
            nb::object index = nb::steal(PyNumber_Index(item.ptr()));  // numpy's integers
            if (!index.is_valid()) nb::raise_python_error();
            id = nb::cast<std::int64_t>(index);
        }
        ids.push_back(narrow(id));
    }
    return ids;
}

Arguments arguments_of(const nb::dict& given) {
    Arguments all;
    for (auto [name, value] : given) all.emplace_back(nb::cast<std::string>(name), nb::cast<std::string>(value));
    return all;
}

}  // namespace tandem::python
