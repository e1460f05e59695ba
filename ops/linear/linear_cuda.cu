#include "ops/gemm/multiply_cuda.h"
#include "ops/gemm/qmatmul.h"
#include "ops/linear/linear_kernels.h"
#include "ops/linear/lora_cuda.h"

namespace tandem {

namespace {

Block4Weight block4(const WeightBytes& w) { return {*w.quant, w.bytes.dim(0), w.bytes.dim(1), w.bytes.data()}; }

// out = addend + scale * a^T b, over rows: [a's width, b's width]
void add_outer(const CudaDevice& device, const Tensor& a, const Tensor& b, double scale, const GradOut& to) {
    MatmulArgs args =
        matmul_args(to.out, a.rows(), common_type(a, b), matmul_transposed(a), matmul_operand(b), to.addend);
    args.alpha = float(scale);
    multiply(device, args);
}

}  // namespace

void linear_forward(const CudaDevice& device, const LinearForward& a) {
    if (a.weight.quant) return qmatmul(device, {a.x, block4(a.weight), a.bias, a.y});
    MatmulArgs args = matmul_args(a.y, a.x.dim(-1), common_type(a.x, a.weight.bytes), matmul_operand(a.x),
                                  matmul_transposed(a.weight.bytes));
    args.bias = a.bias.data();
    multiply(device, args);
}

void linear_input_gradient(const CudaDevice& device, const LinearInputGradient& a) {
    if (a.weight.quant) return qmatmul_transposed(device, {a.dy, block4(a.weight), a.dx});
    multiply(device, matmul_args(a.dx.out, a.dy.dim(-1), common_type(a.dy, a.weight.bytes), matmul_operand(a.dy),
                                 matmul_operand(a.weight.bytes), a.dx.addend));
}

void linear_weight_gradient(const CudaDevice& device, const LinearWeightGradient& a) {
    add_outer(device, a.dy, a.x, a.scale, a.dweight);
}

void lora_down(const CudaDevice& device, const Dropped& dropped, const Tensor& a, const Tensor& down) {
    if (dropped.mask) return lora_masked_down(device, dropped, a, down);
    multiply(device,
             matmul_args(down, a.dim(1), common_type(dropped.x, a), matmul_operand(dropped.x), matmul_transposed(a)));
}

void lora_up(const CudaDevice& device, const Tensor& down, const Tensor& b, double scale, const Tensor& y) {
    MatmulArgs args = matmul_args(y, b.dim(1), common_type(down, b), matmul_operand(down), matmul_transposed(b), y);
    args.alpha = float(scale);
    multiply(device, args);
}

void lora_backward(const CudaDevice& device, const LoraBackward& l) {
    MatmulArgs up = matmul_args(l.up, l.b.dim(0), common_type(l.dy, l.b), matmul_operand(l.dy), matmul_operand(l.b));
    up.alpha = float(l.scale);
    multiply(device, up);
    add_outer(device, l.dy, l.down, l.scale, l.db);
    if (l.dropped.mask) {
        lora_masked_outer(device, l.up, l.dropped, l.da);
        if (l.dx) lora_masked_dx(device, l.up, l.a, *l.dropped.mask, l.dx);
        return;
    }
    add_outer(device, l.up, l.dropped.x, 1.0, l.da);
    if (l.dx)
        multiply(device, matmul_args(l.dx.out, l.a.dim(0), common_type(l.up, l.a), matmul_operand(l.up),
                                     matmul_operand(l.a), l.dx.addend));
}

}  // namespace tandem
