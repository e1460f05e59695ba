#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>

#include <optional>
#include <vector>

#include "tools/python/src/array.h"
#include "tools/python/src/bindings.h"
#include "tools/python/src/engine.h"
#include "ops/linear/linear_kernels.h"
#include "quant/quantize.h"
#include "runtime/thread_pool.h"

namespace tandem::python {

namespace {

// A weight [out, in] in a weight format.
class QuantizedWeight {
  public:
    QuantizedWeight(const Tensor& weight, const QuantSpec& spec)  // [out, in] f32 | bf16
        : spec_(spec), shape_(weight.shape()),
          bytes_(new_tensor({std::int64_t(quant_bytes(spec, shape_[0], shape_[1]))}, DType::u8)) {
        on_local_rank([&](Context& ctx) {
            if (weight.dtype() == DType::f32) return encode(ctx, weight.as<float>());
            const bf16* from = weight.as<bf16>();
            const std::vector<float> wide(from, from + weight.elements());
            encode(ctx, wide.data());
        });
    }

    const QuantSpec& spec() const { return spec_; }
    const Shape& shape() const { return shape_; }
    std::size_t bytes() const { return bytes_.bytes(); }

    Tensor dequantize(DType dtype) const {
        Tensor out = new_tensor(shape_, dtype);
        const QuantTensor q{spec_, shape_[0], shape_[1], bytes_.data()};
        on_local_rank([&](Context& ctx) {
            ctx.cpu().pool->parallel_for(shape_[0], [&](std::int64_t row) {
                const std::int64_t first = row * shape_[1];
                if (dtype == DType::f32) tandem::dequantize(q, first, shape_[1], out.as<float>() + first);
                else tandem::dequantize(q, first, shape_[1], out.as<bf16>() + first);
            });
        });
        return out;
    }

    Tensor matmul(const Tensor& x) const {
        check_rows(x, shape_[1], "matmul", "x");
        Tensor y = new_tensor(with_width(x, shape_[0]), x.dtype());
        on_local_rank([&](Context& ctx) {
            ctx.run({"linear", cost_of(x, y), {x}, {y}}, [&](auto device) {
                linear_forward(device, {rows_of(x), weight(), {}, rows_of(y)});
            });
        });
        return y;
    }

    Tensor input_gradient(const Tensor& dy) const {
        check_rows(dy, shape_[0], "input_gradient", "dy");
        Tensor dx = new_tensor(with_width(dy, shape_[1]), dy.dtype());
        on_local_rank([&](Context& ctx) {
            ctx.run({"linear.backward", cost_of(dy, dx), {dy}, {dx}}, [&](auto device) {
                linear_input_gradient(device, {rows_of(dy), weight(), {rows_of(dx), {}}});
            });
        });
        return dx;
    }

    nb::dict parts() const {
        nb::dict all;
        for (const QuantPart& part : quant_parts(spec_, shape_[0], shape_[1]))
            all[part.name] = Array{part_of(bytes_, part.at, {part.elements}, part.dtype), true};
        return all;
    }

  private:
    void encode(Context& ctx, const float* from) {
        if (!quantize(spec_, host_weight(from, shape_[0], shape_[1]), bytes_.data(), *ctx.cpu().pool))
            throw Error("[quantize] expected finite weights, got NaN or infinity; repair the checkpoint");
    }
    WeightBytes weight() const { return {Tensor(bytes_.data(), shape_, DType::u8), spec_}; }
    Cost cost_of(const Tensor& from, const Tensor& to) const {
        return cost::matmul(from.rows(), shape_[0], shape_[1], double(bytes() + from.bytes() + to.bytes()));
    }
    static Tensor rows_of(const Tensor& t) { return t.reshape({t.rows(), t.dim(-1)}); }
    static Shape with_width(const Tensor& t, std::int64_t width) {
        Shape shape;
        for (int i = 0; i + 1 < t.shape().rank(); i++) shape.push(t.dim(i));
        shape.push(width);
        return shape;
    }

    QuantSpec spec_;
    Shape shape_;
    Tensor bytes_;
};

struct Wanted {
    std::string quant_type;
    std::optional<bool> double_quant;  // none: as the format has it
    int n_bits, group_size;
};

QuantSpec format_of(const Wanted& w) {
    if (w.quant_type == Hqq().name()) {
        if (w.double_quant.value_or(false)) throw InputError("[quantize] expected no double_quant with hqq");
        return Hqq{.bits = w.n_bits, .group = w.group_size};
    }
    for (Block4::Book book : {Block4::Book::nf4, Block4::Book::fp4}) {
        const Block4 format{.book = book, .nested = w.double_quant.value_or(true), .block = w.group_size};
        if (format.name() != w.quant_type) continue;
        if (w.n_bits != 4)
            throw InputError("[quantize] expected n_bits 4 with " + w.quant_type + ", got " + std::to_string(w.n_bits));
        return format;
    }
    throw InputError("[quantize] expected the format nf4, fp4 or hqq, got " + w.quant_type);
}

int bits_of(const QuantSpec& spec) {
    const auto* hqq = std::get_if<Hqq>(&spec);
    return hqq ? hqq->bits : 4;
}
int group_of(const QuantSpec& spec) {
    const auto* hqq = std::get_if<Hqq>(&spec);
    return hqq ? hqq->group : std::get<Block4>(spec).block;
}
bool is_nested(const QuantSpec& spec) {
    const auto* block4 = std::get_if<Block4>(&spec);
    return block4 && block4->nested;
}

QuantizedWeight make(nb::handle weight, const QuantSpec& spec) {
    const Tensor w = as_array(weight).tensor;
    const bool is_float = w.dtype() == DType::f32 || w.dtype() == DType::bf16;
    if (!is_float || w.shape().rank() != 2 || w.elements() == 0)
        throw InputError("[quantize] expected a weight [out, in] in float32 or bfloat16, got " + w.shape().text() +
                         " in " + python_name(w.dtype()));
    return QuantizedWeight(w, spec);
}

DType computed_type(const std::string& name) {
    const DType t = dtype_named(name);
    if (t == DType::f32 || t == DType::bf16) return t;
    throw InputError("[dequantize] expected float32 or bfloat16, got " + name);
}

}  // namespace

void bind_quantized_weight(nb::module_& m) {
    nb::class_<QuantizedWeight>(
        m, "QuantizedWeight",
        "A frozen weight [out, in] in NF4 or FP4 as bitsandbytes has them, or in HQQ: groups of elements in row-major "
        "order, each with its absmax, or its scale and zero. Made by quantize().")
        .def_prop_ro("shape", [](const QuantizedWeight& w) { return nb::make_tuple(w.shape()[0], w.shape()[1]); },
                     nb::sig("def shape(self) -> tuple[int, int]"), "(out, in)")
        .def_prop_ro("quant_type", [](const QuantizedWeight& w) { return std::string(name_of(w.spec())); },
                     "'nf4', 'fp4' or 'hqq'")
        .def_prop_ro("n_bits", [](const QuantizedWeight& w) { return bits_of(w.spec()); }, "Bits of a code.")
        .def_prop_ro("group_size", [](const QuantizedWeight& w) { return group_of(w.spec()); },
                     "Elements of a group.")
        .def_prop_ro("double_quant", [](const QuantizedWeight& w) { return is_nested(w.spec()); },
                     "Whether the absmax are 8-bit codes with scales of their own.")
        .def_prop_ro("nbytes", &QuantizedWeight::bytes, "Bytes of all parts, with the padding between them.")
        .def("dequantize",
             [](const QuantizedWeight& w, const std::string& dtype) {
                 return Array{w.dequantize(computed_type(dtype))};
             },
             nb::arg("dtype") = "float32",
             "The weight [out, in] that the codes stand for, in float32 or bfloat16 (one rounding).")
        .def("matmul", [](const QuantizedWeight& w, nb::handle x) { return Array{w.matmul(as_array(x).tensor)}; },
             nb::arg("x"), nb::sig("def matmul(self, x: object) -> Tensor"),
             "x W^T: x is [.., in] in float32 or bfloat16, the result [.., out] in x's type. The weight is dequantized "
             "to x's type on the way; products are summed in float32. InputError for another shape or type.")
        .def("input_gradient",
             [](const QuantizedWeight& w, nb::handle dy) { return Array{w.input_gradient(as_array(dy).tensor)}; },
             nb::arg("dy"), nb::sig("def input_gradient(self, dy: object) -> Tensor"),
             "dy W, the gradient of matmul's x: dy is [.., out] in float32 or bfloat16, the result [.., in] in dy's "
             "type. InputError for another shape or type.")
        .def_prop_ro("parts", &QuantizedWeight::parts, nb::sig("def parts(self) -> dict[str, Tensor]"),
                     "The stored parts, read-only and without a copy: codes uint8 [ceil(n / 2)], element 2i in the "
                     "high half; absmax float32 [blocks]; quant_map float32 [16]. With double_quant absmax is uint8, "
                     "and there are nested_absmax float32 [ceil(blocks / 256)], nested_quant_map float32 [256] and "
                     "nested_offset float32 [1]. In hqq: codes uint8 [ceil(n / 8) * n_bits], a string of bits with "
                     "each code's highest first; scale and zero float16 [groups].");
    m.def("quantize",
          [](nb::handle w, const std::string& quant_type, std::optional<bool> double_quant, int n_bits,
             int group_size) { return make(w, format_of({quant_type, double_quant, n_bits, group_size})); },
          nb::arg("w"), nb::arg("quant_type") = "nf4", nb::arg("double_quant") = nb::none(), nb::arg("n_bits") = 4,
          nb::arg("group_size") = 64,
          nb::sig("def quantize(w: object, quant_type: str = 'nf4', double_quant: bool | None = None, n_bits: int = 4, "
                  "group_size: int = 64) -> QuantizedWeight"),
          "A weight [out, in] (float32 or bfloat16, anything with __dlpack__) in a weight format: 'nf4' or 'fp4', with "
          "double quantization of the absmax (the default) or without; or 'hqq' of 8, 4, 3, 2 or 1 bits. InputError "
          "for another shape, type or format; Error for NaN or infinity, and for a group_size that the format has "
          "not.");
}

}  // namespace tandem::python
