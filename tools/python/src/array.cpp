#include "tools/python/src/array.h"

#include <nanobind/stl/string.h>

#include <cstring>
#include <memory>
#include <new>

#include "tools/python/src/bindings.h"
#include "tools/python/src/dlpack.h"
#include "tools/python/src/types.h"

namespace tandem::python {

using namespace dlpack;

namespace {

struct Owned : Block {
    explicit Owned(std::size_t n) {
        bytes = n;
        if (n > 0) data = static_cast<std::byte*>(::operator new(n, std::align_val_t(memory_alignment)));
    }
    ~Owned() { ::operator delete(data, std::align_val_t(memory_alignment)); }
    Owned(const Owned&) = delete;
};

struct Part : Block {
    std::shared_ptr<Block> owner;
};

// What a capsule holds: the tensor lives until its consumer lets go.
template <class Managed> struct Given {
    Managed managed{};
    Tensor tensor;
    std::int64_t shape[4], strides[4];

    explicit Given(const Tensor& t) : tensor(t) {
        std::int64_t stride = 1;
        for (int i = t.shape().rank() - 1; i >= 0; i--) {
            shape[i] = t.dim(i);
            strides[i] = stride;
            stride *= t.dim(i);
        }
        managed.dl_tensor = {t.data(), {kDLCPU, 0}, t.shape().rank(), dlpack_type(t.dtype()), shape, strides, 0};
        managed.manager_ctx = this;
        managed.deleter = [](Managed* m) { delete static_cast<Given*>(m->manager_ctx); };
    }
};

template <class Managed> void drop(PyObject* capsule, const char* name) {
    if (!PyCapsule_IsValid(capsule, name)) return;  // taken
    auto* managed = static_cast<Managed*>(PyCapsule_GetPointer(capsule, name));
    managed->deleter(managed);
}

nb::object give(const Tensor& t) {
    auto* given = new Given<DLManagedTensor>(t);
    return nb::steal(PyCapsule_New(&given->managed, "dltensor", [](PyObject* c) {
        drop<DLManagedTensor>(c, "dltensor");
    }));
}

nb::object give_versioned(const Tensor& t, std::uint64_t flags) {
    auto* given = new Given<DLManagedTensorVersioned>(t);
    given->managed.version = {major_version, minor_version};
    given->managed.flags = flags;
    return nb::steal(PyCapsule_New(&given->managed, "dltensor_versioned", [](PyObject* c) {
        drop<DLManagedTensorVersioned>(c, "dltensor_versioned");
    }));
}

[[noreturn]] void refuse_buffer(const char* message) { throw nb::buffer_error(message); }

Tensor copied(const Tensor& t) {
    Tensor copy = new_tensor(t.shape(), t.dtype());
    if (t.bytes() > 0) std::memcpy(copy.data(), t.data(), t.bytes());
    return copy;
}

bool is_versioned(nb::handle max_version) {
    if (max_version.is_none()) return false;
    if (!PyTuple_Check(max_version.ptr()) || PyTuple_Size(max_version.ptr()) != 2)
        throw nb::type_error("[__dlpack__] expected max_version=(major, minor)");
    return nb::cast<int>(nb::handle(PyTuple_GetItem(max_version.ptr(), 0))) >= int(major_version);
}

nb::object to_dlpack(const Array& a, nb::handle stream, nb::handle max_version, nb::handle device, nb::handle copy) {
    if (!stream.is_none()) refuse_buffer("[__dlpack__] expected stream=None for host memory");
    if (!device.is_none() && !device.equal(nb::make_tuple(int(kDLCPU), 0)))
        refuse_buffer("[__dlpack__] expected dl_device=(1, 0), the host, where the tensor lies");
    const bool copies = !copy.is_none() && nb::cast<bool>(copy);
    const Tensor t = copies ? copied(a.tensor) : a.tensor;
    const bool is_read_only = a.read_only && !copies;
    if (is_versioned(max_version)) {
        std::uint64_t flags = 0;
        if (is_read_only) flags |= read_only;
        if (copies) flags |= is_copied;
        return give_versioned(t, flags);
    }
    if (is_read_only)
        refuse_buffer("[__dlpack__] expected max_version=(1, 0) or newer for a read-only tensor, or copy=True");
    return give(t);
}

nb::tuple shape_of(const Array& a) {
    const Shape& s = a.tensor.shape();
    nb::list dims;
    for (int i = 0; i < s.rank(); i++) dims.append(s[i]);
    return nb::tuple(dims);
}

std::string text_of(const Array& a) {
    return "tandem.Tensor(shape=" + a.tensor.shape().text() + ", dtype=" + python_name(a.tensor.dtype()) +
           (a.read_only ? ", read_only=True)" : ")");
}

}  // namespace

Tensor new_tensor(const Shape& shape, DType dtype) {
    return {std::make_shared<Owned>(std::size_t(shape.elements()) * size_of(dtype)), shape, dtype};
}

Tensor part_of(const Tensor& owner, std::size_t offset, const Shape& shape, DType dtype) {
    auto part = std::make_shared<Part>();
    part->owner = owner.block();
    part->data = owner.data() + offset;
    part->bytes = std::size_t(shape.elements()) * size_of(dtype);
    return {part, shape, dtype};
}

void check_rows(const Tensor& x, std::int64_t width, const char* where, const char* what) {
    const bool is_float = x.dtype() == DType::f32 || x.dtype() == DType::bf16;
    if (is_float && x.shape().rank() > 0 && x.dim(-1) == width) return;
    throw InputError(std::string("[") + where + "] expected " + what + " of [.., " + std::to_string(width) +
                     "] in float32 or bfloat16, got " + x.shape().text() + " in " + python_name(x.dtype()));
}

void bind_tensor(nb::module_& m) {
    nb::class_<Array>(m, "Tensor",
                      "An array in host memory, contiguous, of at most four dimensions. It is shared with numpy, torch "
                      "and jax without a copy: numpy.from_dlpack(t), torch.from_dlpack(t).")
        .def_prop_ro("shape", shape_of, "The sizes, outermost first.", nb::sig("def shape(self) -> tuple[int, ...]"))
        .def_prop_ro("dtype", [](const Array& a) { return python_name(a.tensor.dtype()); },
                     "The element type's name: 'float32', 'bfloat16', 'uint8', …")
        .def_prop_ro("device", [](const Array&) { return "cpu"; }, "Where the data lies: 'cpu'.")
        .def_prop_ro("nbytes", [](const Array& a) { return a.tensor.bytes(); }, "Bytes of the data.")
        .def_ro("read_only", &Array::read_only, "Whether consumers are told not to write to it.")
        .def("__len__",
             [](const Array& a) {
                 if (a.tensor.shape().rank() == 0) throw nb::type_error("len() of a tensor without dimensions");
                 return a.tensor.dim(0);
             })
        .def("__repr__", text_of)
        .def("__dlpack_device__", [](const Array&) { return nb::make_tuple(int(kDLCPU), 0); },
             nb::sig("def __dlpack_device__(self) -> tuple[int, int]"))
        .def("__dlpack__", to_dlpack, nb::kw_only(), nb::arg("stream").none() = nb::none(),
             nb::arg("max_version").none() = nb::none(), nb::arg("dl_device").none() = nb::none(),
             nb::arg("copy").none() = nb::none(),
             nb::sig("def __dlpack__(self, *, stream: int | None = None, max_version: tuple[int, int] | None = None, "
                     "dl_device: tuple[int, int] | None = None, copy: bool | None = None) -> object"),
             "A DLPack capsule of this memory: versioned where max_version is (1, 0) or newer, and with its read-only "
             "flag. BufferError where what is asked for cannot be given.");
    m.def("from_dlpack", as_array, nb::arg("x").none(), nb::sig("def from_dlpack(x: object, /) -> Tensor"),
          "A Tensor over the memory of x, without a copy; x has __dlpack__ (numpy, torch, jax) or is a DLPack capsule, "
          "versioned or older.\n\nWhat is read-only stays so. InputError where x is not contiguous, not aligned to its "
          "elements, of more than four dimensions, not in host memory, or of a type that tandem does not have.");
}

}  // namespace tandem::python
