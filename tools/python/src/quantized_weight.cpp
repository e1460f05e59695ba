#include <nanobind/stl/string.h>

#include <vector>

#include "tools/python/src/array.h"
#include "tools/python/src/bindings.h"
#include "tools/python/src/engine.h"
#include "ops/linear/linear_kernels.h"
#include "quant/quantize.h"
#include "runtime/thread_pool.h"

namespace tandem::python {

namespace {

// A weight [out, in] in 4 bits.
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
        if (!quantize(spec_, from, shape_[0], shape_[1], bytes_.data(), *ctx.cpu().pool))
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

Block4 format_named(const std::string& name) {
    for (Block4::Book book : {Block4::Book::nf4, Block4::Book::fp4})
        if (Block4 format{.book = book}; format.name() == name) return format;
    throw InputError("[quantize] expected the format nf4 or fp4, got " + name);
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
        "A frozen weight [out, in] in 4 bits, in bitsandbytes' format: blocks of 64 elements in row-major order, each "
        "with its absmax. Made by quantize().")
        .def_prop_ro("shape", [](const QuantizedWeight& w) { return nb::make_tuple(w.shape()[0], w.shape()[1]); },
                     nb::sig("def shape(self) -> tuple[int, int]"), "(out, in)")
        .def_prop_ro("quant_type", [](const QuantizedWeight& w) { return std::string(name_of(w.spec())); },
                     "'nf4' or 'fp4'")
        .def_prop_ro("double_quant", [](const QuantizedWeight& w) { return std::get<Block4>(w.spec()).nested; },
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
                     "nested_offset float32 [1].");
    m.def("quantize",
          [](nb::handle w, const std::string& quant_type, nb::bool_ double_quant) {
              Block4 format = format_named(quant_type);
              format.nested = bool(double_quant);
              return make(w, format);
          },
          nb::arg("w"), nb::arg("quant_type") = "nf4", nb::arg("double_quant") = true,
          nb::sig("def quantize(w: object, quant_type: str = 'nf4', double_quant: bool = True) -> QuantizedWeight"),
          "A weight [out, in] (float32 or bfloat16, anything with __dlpack__) in 4 bits: 'nf4' or 'fp4', with double "
          "quantization of the absmax or without. InputError for another shape, type or format; Error for NaN or "
          "infinity.");
}

}  // namespace tandem::python
