// What the kernels reach on the card that is here, beside what its memory and cuBLASLt reach. Writes results.json and
// RESULTS.md into FOLDER. FACTS.json describes the machine; each NAME=METRICS.jsonl is a run of `tandem train`.
// usage: bench_gpu FOLDER FACTS.json [--small] [NAME=METRICS.jsonl...]
#include <fmt/core.h>

#include <cuda_runtime.h>

#include <algorithm>
#include <functional>

#include "dist/local_rank.h"
#include "ops/attention/attention_kernels.h"
#include "ops/gemm/dequantize_cuda.h"
#include "ops/gemm/qmatmul.h"
#include "runtime/cuda/check.h"
#include "runtime/cuda/matmul.h"
#include "runtime/cuda/tile_ahead.h"
#include "tests/gpu/results.h"

using namespace tandem;
using namespace tandem::gpu;

namespace {

constexpr Block4 nf4{};

// y = x W^T
MatmulArgs quantized_product(const Tensor& y, const Tensor& x, const QuantTensor& w) {
    return product(y, w.cols, operand(x), {.transposed = true, .quant = &w});
}

class Bench {
  public:
    // small: to try the program itself, on the simulator.
    explicit Bench(bool small)
        : small_(small),
          repeats_(small ? 2 : 20),
          rank_({.compute = DType::bf16, .card = 0, .tile_bytes = std::size_t(scaled(28672) * scaled(8192)) * 2}),
          ctx_(rank_.context()),
          busy_(ctx_.empty({small ? 1 << 20 : 1 << 30}, DType::u8, "busy")) {
        ctx_.run({"bench", {}, {}, {}}, [&](const auto& device) {
            if constexpr (requires { device.stream; }) device_ = device;
        });
        for (cudaEvent_t* e : {&begin_, &end_}) cuda::check(cudaEventCreate(e), "cudaEventCreate");
    }
    void copy(Results& r);
    void dequantization(Results& r);
    void gemv(Results& r, std::int64_t out, std::int64_t in);
    void peak(Results& r);
    void products(Results& r, std::int64_t tokens);
    void fused_products(Results& r, std::int64_t tokens);
    void attention_2048(Results& r);

  private:
    std::int64_t scaled(std::int64_t size) const { return small_ ? std::max<std::int64_t>(size / 64, 64) : size; }
    // Of one `work` of `calls` that follow each other, the median of several such rounds after three to warm up.
    double seconds(int calls, const std::function<void(int)>& work);
    // As many as no card's L2 cache holds: a step never finds a weight there.
    int weights_beyond_cache(std::size_t bytes) const { return small_ ? 2 : int((512u << 20) / bytes) + 1; }
    // Noise: on zeros a card clocks higher.
    Tensor tensor(const Shape& shape, DType dtype);
    double dense_product(std::int64_t m, std::int64_t n, std::int64_t k);

    bool small_;
    int repeats_;
    LocalRank rank_;
    Context& ctx_;
    CudaDevice device_;  // as an op is given it
    Tensor busy_;
    cudaEvent_t begin_ = nullptr, end_ = nullptr;
};

double Bench::seconds(int calls, const std::function<void(int)>& work) {
    std::vector<double> times;
    for (int i = 0; i < repeats_ + 3; i++) {
        ctx_.compute().fill(busy_.data(), i, busy_.bytes());  // meanwhile the host enqueues all of the round
        cuda::check(cudaEventRecord(begin_, device_.stream), "cudaEventRecord");
        for (int call = 0; call < calls; call++) work(call);
        cuda::check(cudaEventRecord(end_, device_.stream), "cudaEventRecord");
        ctx_.compute().synchronize();
        float ms = 0;
        cuda::check(cudaEventElapsedTime(&ms, begin_, end_), "cudaEventElapsedTime");
        if (i >= 3) times.push_back(ms * 1e-3 / calls);
    }
    return median(times);
}

Tensor Bench::tensor(const Shape& shape, DType dtype) {
    Tensor t = ctx_.empty(shape, dtype, "bench");
    std::vector<std::byte> bytes(t.bytes());
    std::uint32_t state = 1;
    auto next = [&] { return state = state * 1664525u + 1013904223u; };
    if (dtype == DType::bf16) {
        auto* numbers = reinterpret_cast<std::uint16_t*>(bytes.data());
        for (std::size_t i = 0; i < bytes.size() / 2; i++)  // +-[0.5, 1)
            numbers[i] = std::uint16_t(0x3f00u | (next() >> 25) | ((next() >> 16) & 0x8000u));
    } else {
        for (std::byte& b : bytes) b = std::byte(next() >> 24);
    }
    ctx_.upload(t, bytes);
    ctx_.compute().synchronize();
    return t;
}

void Bench::copy(Results& r) {
    const std::size_t bytes = small_ ? 1u << 20 : 1u << 30;
    Tensor a = ctx_.empty({std::int64_t(bytes)}, DType::u8, "from"), b = ctx_.empty(a.shape(), DType::u8, "to");
    ctx_.compute().fill(a.data(), 1, bytes);
    const double s = seconds(1, [&](int) { ctx_.compute().copy(b.data(), a.data(), bytes); });
    r.add("copy", 2.0 * double(bytes) / s / 1e9, "GB/s read and written");
}

void Bench::peak(Results& r) {
    const std::int64_t n = scaled(8192);
    r.add("matmul", 2.0 * double(n * n * n) / dense_product(n, n, n) / 1e12, "TFLOP/s, bf16, cuBLASLt");
}

double Bench::dense_product(std::int64_t m, std::int64_t n, std::int64_t k) {
    Tensor a = tensor({m, k}, DType::bf16), b = tensor({n, k}, DType::bf16), c = tensor({m, n}, DType::bf16);
    return seconds(8, [&](int) {
        device_.matmul->run(device_.stream, {.m = m,
                                             .n = n,
                                             .k = k,
                                             .a = {a.data(), k, false},
                                             .b = {b.data(), k, true},
                                             .c = c.data(),
                                             .c_stride = n});
    });
}

void Bench::dequantization(Results& r) {
    const std::int64_t elements = scaled(14336) * scaled(4096);
    const std::size_t bytes = quant_bytes(nf4, 1, elements);
    const int weights = weights_beyond_cache(bytes);
    Tensor weight = tensor({weights * std::int64_t(bytes)}, DType::u8);
    Tensor out = ctx_.empty({elements}, DType::bf16, "out");
    const double s = seconds(weights, [&](int w) {
        dequantize(device_.stream, {nf4, 1, elements, weight.data() + std::size_t(w) * bytes}, DType::bf16, out.data());
    });
    const double moved = (double(bytes) + double(out.bytes())) / s / 1e9;
    r.add("dequantize", moved, "GB/s, NF4 to bf16");
    r.share("dequantize", "copy", 85);
}

void Bench::gemv(Results& r, std::int64_t out, std::int64_t in) {
    const std::string name = fmt::format("gemv {}x{}", out, in);
    out = scaled(out), in = scaled(in);
    const std::size_t bytes = quant_bytes(nf4, out, in);
    const int weights = weights_beyond_cache(bytes);
    Tensor weight = tensor({weights * std::int64_t(bytes)}, DType::u8), x = tensor({1, in}, DType::bf16);
    Tensor y = ctx_.empty({1, out}, DType::bf16, "y");
    const double s = seconds(weights, [&](int w) {
        const QuantTensor quant{nf4, out, in, weight.data() + std::size_t(w) * bytes};
        matmul(device_, quantized_product(y, x, quant));
    });
    r.add(name, double(bytes) / s / 1e9, "GB/s of NF4 weight");
    r.share(name, "copy", 70);
}

// Several weights one after the other, as a layer has them: the next is dequantized while this one is multiplied.
void Bench::products(Results& r, std::int64_t tokens) {
    constexpr int weights = 8;
    const std::string name = fmt::format("qmatmul {}x4096x4096", tokens), dense = name + " dense";
    const std::int64_t m = scaled(tokens), n = scaled(4096), k = scaled(4096);
    const double flops = 2.0 * double(m * n * k);
    r.add(dense, flops / dense_product(m, n, k) / 1e12, "TFLOP/s, bf16 weight");
    const std::size_t bytes = quant_bytes(nf4, n, k);
    Tensor weight = tensor({std::int64_t(bytes) * weights}, DType::u8), x = tensor({m, k}, DType::bf16);
    Tensor y = ctx_.empty({m, n}, DType::bf16, "y");
    const double s = seconds(weights, [&](int w) {
        if (w == 0) device_.tiles->begin(1);
        const QuantTensor quant{nf4, n, k, weight.data() + std::size_t(w) * bytes};
        matmul(device_, quantized_product(y, x, quant));
        if (w == weights - 1) device_.tiles->end();
    });
    r.add(name, flops / s / 1e12, "TFLOP/s, NF4 weight");
    r.share(name, dense, 90);
}

// What the table of limits in ops/gemm/qmatmul.cu should be.
void Bench::fused_products(Results& r, std::int64_t tokens) {
    const std::int64_t n = scaled(4096), k = scaled(4096);
    const std::size_t bytes = quant_bytes(nf4, n, k);
    const int weights = weights_beyond_cache(bytes);
    Tensor weight = tensor({weights * std::int64_t(bytes)}, DType::u8), x = tensor({tokens, k}, DType::bf16);
    Tensor y = ctx_.empty({tokens, n}, DType::bf16, "y");
    auto quant = [&](int w) { return QuantTensor{nf4, n, k, weight.data() + std::size_t(w) * bytes}; };
    const double fused = seconds(weights, [&](int w) {
        const QuantTensor q = quant(w);
        qmatmul_some(device_, quantized_product(y, x, q));
    });
    const double tiled = seconds(weights, [&](int w) {
        if (w == 0) device_.tiles->begin(2);
        const QuantTensor q = quant(w);
        qmatmul_tile(device_, quantized_product(y, x, q));
        if (w == weights - 1) device_.tiles->end();
    });
    r.add(fmt::format("qmatmul {} x 4096 x 4096, tile / codes read once", tokens), tiled / fused, "x the time");
}

void Bench::attention_2048(Results& r) {
    const std::int64_t tokens = scaled(2048);
    const AttentionShape shape{small_ ? 2 : 32, small_ ? 1 : 8, 128};
    auto noise = [&](int heads) { return tensor({tokens, std::int64_t(heads) * 128}, DType::bf16); };
    const Tensor q = noise(shape.heads), k = noise(shape.kv_heads), v = noise(shape.kv_heads), dy = noise(shape.heads);
    const Tensor y = ctx_.empty_like(q, "y"), lse = ctx_.empty({shape.heads, tokens}, DType::f32, "lse");
    const Tensor delta = ctx_.empty_like(lse, "delta"), dq = ctx_.empty_like(q, "dq");
    const Tensor dk = ctx_.empty_like(k, "dk"), dv = ctx_.empty_like(v, "dv");
    const Tensor ends = ctx_.empty({2}, DType::i32, "cu_seqlens");
    const std::vector<std::int32_t> document{0, std::int32_t(tokens)};
    ctx_.upload(ends, std::as_bytes(std::span(document)));
    const double forward = seconds(8, [&](int) { attention_forward(device_, {q, k, v, ends, shape, y, lse}); });
    const double backward = seconds(8, [&](int) {
        attention_backward(device_, {q, k, v, ends, shape, y, lse, dy, delta, {dq, {}}, {dk, {}}, {dv, {}}});
    });
    // Two products forward and five backward, of which causality halves the work.
    const double product = double(tokens * tokens) * 128 * shape.heads;
    r.add("attention forward", 2 * product / forward / 1e12, "TFLOP/s at 2048 x 128, causal");
    r.share("attention forward", "matmul", 45);
    r.add("attention backward", 5 * product / backward / 1e12, "TFLOP/s at 2048 x 128, causal");
    r.share("attention backward", "matmul", 35);
}

}  // namespace

int main(int count, char** words) {
    std::vector<std::string> arguments(words + 1, words + count);
    const bool small = std::erase(arguments, "--small") > 0;
    if (arguments.size() < 2) {
        std::fputs("usage: bench_gpu FOLDER FACTS.json [--small] [NAME=METRICS.jsonl...]\n", stderr);
        return 2;
    }
    Results results(arguments[1]);
    {
        Bench bench(small);
        bench.copy(results);
        bench.peak(results);
        bench.dequantization(results);
        bench.gemv(results, 4096, 4096);
        bench.gemv(results, 28672, 8192);
        for (std::int64_t tokens : {2048, 4096}) bench.products(results, tokens);
        for (std::int64_t tokens : {16, 32, 64, 128, 256}) bench.fused_products(results, tokens);
        bench.attention_2048(results);
    }
    for (std::size_t i = 2; i < arguments.size(); i++) results.add_run(arguments[i]);
    results.compare_runs();
    results.write(arguments[0]);
}
