// What linear consists of. Products are the same for any device, by matmul; the rest has a twin for each.
#pragma once
#include "ops/gemm/matmul.h"
#include "ops/linear/linear.h"
#include "ops/linear/lora_cuda.h"

namespace tandem {

// A weight as bytes: of the lease that is held now.
struct WeightBytes {
    Tensor bytes;  // [out, in]; data only, when quantized
    std::optional<QuantSpec> quant;
};

// A weight as B of a product, W or W^T.
class WeightOperand {
  public:
    explicit WeightOperand(const WeightBytes& w) : plain_(operand(w.bytes)) {
        if (!w.quant) return;
        quantized_ = {*w.quant, w.bytes.dim(0), w.bytes.dim(1), w.bytes.data()};
        plain_ = {.stride = w.bytes.dim(1), .quant = &quantized_};
    }
    WeightOperand(const WeightOperand&) = delete;

    MatmulOperand plain() const { return plain_; }
    MatmulOperand transposed() const {
        MatmulOperand t = plain_;
        t.transposed = true;
        return t;
    }

  private:
    QuantTensor quantized_;
    MatmulOperand plain_;
};

// out = addend + scale * a^T b, over rows: [a's width, b's width]
template <class Device>
void add_outer(const Device& device, const Tensor& a, const Tensor& b, double scale, const GradOut& to) {
    MatmulArgs p = product(to.out, a.rows(), transposed(a), operand(b), to.addend);
    p.alpha = scale;
    matmul(device, p);
}

// y = x W^T + bias
struct LinearForward {
    Tensor x;
    WeightBytes weight;
    Tensor bias;  // empty: none
    Tensor y;
};
template <class Device> void linear_forward(const Device& device, const LinearForward& a) {
    const WeightOperand w(a.weight);
    MatmulArgs p = product(a.y, a.x.dim(-1), operand(a.x), w.transposed());
    p.bias = a.bias.data();
    matmul(device, p);
}

// dx = addend + dy W
struct LinearInputGradient {
    Tensor dy;
    WeightBytes weight;
    GradOut dx;
};
template <class Device> void linear_input_gradient(const Device& device, const LinearInputGradient& a) {
    const WeightOperand w(a.weight);
    matmul(device, product(a.dx.out, a.dy.dim(-1), operand(a.dy), w.plain(), a.dx.addend));
}

// dW += scale * dy^T x, in the gradient type
struct LinearWeightGradient {
    Tensor dy, x;
    double scale;
    GradOut dweight;
};
template <class Device> void linear_weight_gradient(const Device& device, const LinearWeightGradient& a) {
    add_outer(device, a.dy, a.x, a.scale, a.dweight);
}

// dbias += column sums of dy, rows in order
void linear_bias_gradient(const CpuDevice& device, const Tensor& dy, const GradOut& dbias);
void linear_bias_gradient(const CudaDevice& device, const Tensor& dy, const GradOut& dbias);

// down = dropped A^T
template <class Device>
void lora_down(const Device& device, const Dropped& dropped, const Tensor& a, const Tensor& down) {
    if constexpr (std::is_same_v<Device, CudaDevice>)
        if (dropped.mask) return lora_masked_down(device, dropped, a, down);
    matmul(device, product(down, a.dim(1), operand(dropped.x), transposed(a)));
}
// y += scale * down B^T
template <class Device>
void lora_up(const Device& device, const Tensor& down, const Tensor& b, double scale, const Tensor& y) {
    MatmulArgs p = product(y, b.dim(1), operand(down), transposed(b), y);
    p.alpha = scale;
    matmul(device, p);
}

// up = scale * dy B; dB += scale * dy^T down; dA += up^T dropped; dx = addend + up A, through the mask where there is
// one.
struct LoraBackward {
    Tensor dy;
    Dropped dropped;
    Tensor a, b, down;
    double scale;
    Tensor up;  // [tokens, rank]
    GradOut da, db;
    GradOut dx;  // empty: nobody wants it
};
template <class Device> void lora_backward(const Device& device, const LoraBackward& l) {
    MatmulArgs up = product(l.up, l.b.dim(0), operand(l.dy), operand(l.b));
    up.alpha = l.scale;
    matmul(device, up);
    add_outer(device, l.dy, l.down, l.scale, l.db);
    if constexpr (std::is_same_v<Device, CudaDevice>)
        if (l.dropped.mask) {
            lora_masked_outer(device, l.up, l.dropped, l.da);
            if (l.dx) lora_masked_dx(device, l.up, l.a, *l.dropped.mask, l.dx);
            return;
        }
    add_outer(device, l.up, l.dropped.x, 1.0, l.da);
    if (l.dx) matmul(device, product(l.dx.out, l.a.dim(0), operand(l.up), operand(l.a), l.dx.addend));
}

}  // namespace tandem
