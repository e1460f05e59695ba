// Tensors of others, by their capsules.
#include <memory>

#include "tools/python/src/array.h"
#include "tools/python/src/dlpack.h"
#include "tools/python/src/types.h"

namespace tandem::python {

namespace {

using namespace dlpack;

// Gives the tensor back to who made it when nobody uses it any more.
template <class Managed> struct Held : Block {
    explicit Held(Managed* m) : managed(m) {}
    ~Held() {
        if (managed->deleter) managed->deleter(managed);
    }
    Held(const Held&) = delete;
    Managed* managed;
};

std::string list(const std::int64_t* values, int n) {
    std::string all;
    for (int i = 0; i < n; i++) all += (i ? ", " : "") + std::to_string(values[i]);
    return "[" + all + "]";
}

Shape shape_of(const DLTensor& t) {
    if (t.ndim > 4)
        throw InputError("[from_dlpack] expected at most 4 dimensions, got " + std::to_string(t.ndim) +
                         "; reshape it");
    Shape shape;
    for (int i = 0; i < t.ndim; i++) shape.push(t.shape[i]);
    return shape;
}

void check_contiguous(const DLTensor& t, const Shape& shape) {
    if (!t.strides || shape.elements() == 0) return;
    std::int64_t expected = 1;
    for (int i = t.ndim - 1; i >= 0; i--) {
        if (t.shape[i] != 1 && t.strides[i] != expected)
            throw InputError("[from_dlpack] expected a contiguous array, got shape " + list(t.shape, t.ndim) +
                             " with strides " + list(t.strides, t.ndim) +
                             "; copy it, as with numpy.ascontiguousarray or .contiguous()");
        expected *= t.shape[i];
    }
}

template <class Managed> Tensor take(Managed* managed) {
    auto held = std::make_shared<Held<Managed>>(managed);
    const DLTensor& t = managed->dl_tensor;
    if (t.device.device_type != kDLCPU && t.device.device_type != kDLCUDAHost)
        throw InputError("[from_dlpack] expected a tensor in host memory, got one on a device of DLPack's type " +
                         std::to_string(t.device.device_type) + "; copy it to the CPU");
    const DType dtype = dtype_of_dlpack(t.dtype);
    const Shape shape = shape_of(t);
    check_contiguous(t, shape);
    held->data = static_cast<std::byte*>(t.data) + t.byte_offset;
    if (shape.elements() == 0) held->data = nullptr;
    if (reinterpret_cast<std::uintptr_t>(held->data) % size_of(dtype))
        throw InputError("[from_dlpack] expected data aligned to its elements of " + std::to_string(size_of(dtype)) +
                         " bytes, got an address between them; copy it");
    held->bytes = std::size_t(shape.elements()) * size_of(dtype);
    return {held, shape, dtype};
}

Array take_versioned(PyObject* capsule) {
    auto* managed = static_cast<DLManagedTensorVersioned*>(PyCapsule_GetPointer(capsule, "dltensor_versioned"));
    if (!managed || PyCapsule_SetName(capsule, "used_dltensor_versioned")) nb::raise_python_error();
    if (managed->version.major != major_version) {
        std::string version = std::to_string(managed->version.major);
        if (managed->deleter) managed->deleter(managed);
        throw InputError("[from_dlpack] expected a capsule of DLPack 1, got one of DLPack " + version);
    }
    const bool is_read_only = managed->flags & read_only;
    return {take(managed), is_read_only};
}

Array take_capsule(PyObject* capsule) {
    if (PyCapsule_IsValid(capsule, "dltensor_versioned")) return take_versioned(capsule);
    if (!PyCapsule_IsValid(capsule, "dltensor"))
        throw InputError("[from_dlpack] expected a capsule named dltensor or dltensor_versioned that nobody has taken "
                         "from yet, got another; call __dlpack__ again");
    auto* managed = static_cast<DLManagedTensor*>(PyCapsule_GetPointer(capsule, "dltensor"));
    if (!managed || PyCapsule_SetName(capsule, "used_dltensor")) nb::raise_python_error();
    return {take(managed), false};
}

// Made once, and kept for as long as the process lives.
struct Names {
    PyObject* dlpack = PyUnicode_InternFromString("__dlpack__");
    PyObject* keywords = PyTuple_Pack(1, PyUnicode_InternFromString("max_version"));
    PyObject* version = Py_BuildValue("(II)", major_version, minor_version);
};
const Names& names() {
    static const Names made;
    return made;
}

[[noreturn]] void refuse(nb::handle x) {
    throw InputError("expected an array that has __dlpack__ (numpy, torch, jax), got " +
                     std::string(nb::type_name(x.type()).c_str()) + "; convert it, as with numpy.asarray");
}

// Producers of before DLPack 1.0 know no max_version.
nb::object capsule_of(nb::handle x) {
    const Names& n = names();
    PyObject* arguments[] = {x.ptr(), n.version};
    PyObject* capsule = PyObject_VectorcallMethod(n.dlpack, arguments, 1, n.keywords);
    if (!capsule && PyErr_ExceptionMatches(PyExc_TypeError)) {
        PyErr_Clear();
        capsule = PyObject_VectorcallMethod(n.dlpack, arguments, 1, nullptr);
    }
    if (!capsule) {
        nb::python_error raised;
        if (raised.matches(PyExc_AttributeError) && !nb::hasattr(x, "__dlpack__")) refuse(x);
        throw raised;
    }
    return nb::steal(capsule);
}

}  // namespace

Array as_array(nb::handle x) {
    Array* made = nullptr;
    if (nb::try_cast(x, made) && made) return *made;
    if (PyCapsule_CheckExact(x.ptr())) return take_capsule(x.ptr());
    return take_capsule(capsule_of(x).ptr());
}

}  // namespace tandem::python
