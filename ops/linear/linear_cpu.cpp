#include "ops/gemm/tensor_gemm.h"
#include "ops/linear/linear_kernels.h"
#include "runtime/thread_pool.h"

namespace tandem {

namespace {

enum class Side { transposed, plain };  // of the weight: y = x W^T, or dx = dy W

struct WeightProduct {
    Tensor x;
    const WeightBytes& weight;
    Side side;
    Tensor y, addend, bias;
};

void times_weight(const CpuDevice& device, const WeightProduct& p) {
    const WeightBytes& w = p.weight;
    const Shape& s = w.bytes.shape();  // [out, in]
    QuantTensor q;
    GemmOperand b = operand(w.bytes);
    if (w.quant) {
        q = quant_view(*w.quant, s[0], s[1], w.bytes.data());
        b = {.dtype = p.x.dtype(), .stride = s[1], .quant = &q};
    }
    b.transposed = p.side == Side::transposed;
    GemmArgs g = product(p.y, p.x.dim(-1), operand(p.x), b);
    g.addend = p.addend.data();
    g.bias = p.bias.data();
    gemm(device, g);
}

// out = addend + scale * a^T b, over rows: [a's width, b's width]
void add_outer(const CpuDevice& device, const Tensor& a, const Tensor& b, double scale, const GradOut& to) {
    GemmArgs g = product(to.out, a.rows(), transposed(a), operand(b));
    g.addend = to.addend.data();
    g.alpha = scale;
    gemm(device, g);
}

}  // namespace

void linear_forward(const CpuDevice& device, const LinearForward& a) {
    times_weight(device, {a.x, a.weight, Side::transposed, a.y, {}, a.bias});
}

void linear_input_gradient(const CpuDevice& device, const LinearInputGradient& a) {
    times_weight(device, {a.dy, a.weight, Side::plain, a.dx.out, a.dx.addend, {}});
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

void lora_down(const CpuDevice& device, const Dropped& dropped, const Tensor& a, const Tensor& down) {
    gemm(device, product(down, a.dim(1), operand(dropped.x), transposed(a)));
}

void lora_up(const CpuDevice& device, const Tensor& down, const Tensor& b, double scale, const Tensor& y) {
    GemmArgs g = product(y, b.dim(1), operand(down), transposed(b));
    g.addend = y.data();
    g.alpha = scale;
    gemm(device, g);
}

void lora_backward(const CpuDevice& device, const LoraBackward& l) {
    GemmArgs up = product(l.up, l.b.dim(0), operand(l.dy), operand(l.b));
    up.alpha = l.scale;
    gemm(device, up);
    add_outer(device, l.dy, l.down, l.scale, l.db);
    add_outer(device, l.up, l.dropped.x, 1.0, l.da);
    if (!l.dx) return;
    GemmArgs dx = product(l.dx.out, l.a.dim(0), operand(l.up), operand(l.a));
    dx.addend = l.dx.addend.data();
    gemm(device, dx);
}

}  // namespace tandem
