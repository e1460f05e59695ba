#include "ops/gemm/gemm.h"
#include "ops/linear/linear_kernels.h"

namespace tandem {

namespace {

GemmOperand operand(const Tensor& t, bool transposed) { return {t.data(), t.dtype(), t.dim(-1), transposed}; }

GemmArgs product(std::int64_t m, std::int64_t n, std::int64_t k, GemmOperand a, GemmOperand b, const Tensor& c) {
    GemmArgs g{.m = m, .n = n, .k = k, .a = a, .b = b};
    g.c = c.data();
    g.c_dtype = c.dtype();
    g.c_stride = c.dim(-1);
    return g;
}

// y = x W^T (transposed), or dx = dy W (not).
void times_weight(const CpuDevice& device, const Tensor& x, const WeightBytes& w, bool transposed, const Tensor& y,
                  const Tensor& addend, const Tensor& bias) {
    const Shape& s = w.bytes.shape();  // [out, in]
    QuantTensor q;
    GemmOperand b = operand(w.bytes, transposed);
    if (w.quant) {
        q = quant_view(*w.quant, s[0], s[1], w.bytes.data());
        b = {nullptr, x.dtype(), s[1], transposed, &q};
    }
    GemmArgs g = product(x.rows(), transposed ? s[0] : s[1], transposed ? s[1] : s[0], operand(x, false), b, y);
    g.addend = addend.data();
    g.bias = bias.data();
    gemm(device, g);
}

// out = addend + scale * a^T b, over rows: [a's width, b's width]
void add_outer(const CpuDevice& device, const Tensor& a, const Tensor& b, double scale, const GradOut& to) {
    GemmArgs g = product(a.dim(-1), b.dim(-1), a.rows(), operand(a, true), operand(b, false), to.out);
    g.addend = to.addend.data();
    g.alpha = scale;
    gemm(device, g);
}

}  // namespace

void linear_forward(const CpuDevice& device, const LinearForward& a) {
    times_weight(device, a.x, a.weight, true, a.y, {}, a.bias);
}

void linear_input_gradient(const CpuDevice& device, const LinearInputGradient& a) {
    times_weight(device, a.dy, a.weight, false, a.dx.out, a.dx.addend, {});
}

void linear_weight_gradient(const CpuDevice& device, const LinearWeightGradient& a) {
    add_outer(device, a.dy, a.x, a.scale, a.dweight);
}

void linear_bias_gradient(const CpuDevice& device, const Tensor& dy, const GradOut& dbias) {
    visit_compute(dy.dtype(), [&]<class T>() {
        using A = accumulate_t<T>;
        std::int64_t n = dy.dim(-1);
        const T* in = dy.as<T>();
        A* out = dbias.out.as<A>();
        device.pool->parallel_for(n, [&](std::int64_t i) {
            A sum = 0;
            for (std::int64_t t = 0; t < dy.rows(); t++) sum += A(in[t * n + i]);
            out[i] += sum;
        });
    });
}

void lora_down(const CpuDevice& device, const Tensor& dropped, const Tensor& a, const Tensor& down) {
    gemm(device, product(dropped.rows(), a.dim(0), a.dim(1), operand(dropped, false), operand(a, true), down));
}

void lora_up(const CpuDevice& device, const Tensor& down, const Tensor& b, double scale, const Tensor& y) {
    GemmArgs g = product(down.rows(), b.dim(0), b.dim(1), operand(down, false), operand(b, true), y);
    g.addend = y.data();
    g.alpha = scale;
    gemm(device, g);
}

void lora_backward(const CpuDevice& device, const LoraBackward& l) {
    std::int64_t tokens = l.dy.rows(), rank = l.a.dim(0);
    GemmArgs up = product(tokens, rank, l.b.dim(0), operand(l.dy, false), operand(l.b, false), l.up);
    up.alpha = l.scale;
    gemm(device, up);
    add_outer(device, l.dy, l.down, l.scale, l.db);
    add_outer(device, l.up, l.dropped, 1.0, l.da);
    if (!l.dx) return;
    GemmArgs dx = product(tokens, l.a.dim(1), rank, operand(l.up, false), operand(l.a, false), l.dx.out);
    dx.addend = l.dx.addend.data();
    gemm(device, dx);
}

}  // namespace tandem
