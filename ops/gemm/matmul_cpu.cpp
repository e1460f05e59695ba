#include "ops/gemm/matmul.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstring>

#include "ops/gemm/micro_kernel.h"
#include "runtime/thread_pool.h"

namespace tandem {

namespace {
// C is cut into tiles, a tile is one thread's from packing to storing. Panels fit into a second-level cache of 1 MB.
constexpr std::int64_t max_rows = 256, max_cols = 192;
constexpr std::int64_t panel_k_bytes = 1536;  // of a part of k; sums of parts are added up in the order of k
constexpr std::int64_t enough_tiles = 24;     // smaller tiles rather than fewer: threads would idle
constexpr std::size_t a_bytes = max_rows * panel_k_bytes, b_bytes = max_cols * panel_k_bytes;
static_assert(a_bytes + 2 * b_bytes + max_rows * max_cols * sizeof(double) <= CpuDevice::private_bytes);

constexpr std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }
constexpr std::int64_t round_up(std::int64_t a, std::int64_t b) { return ceil_div(a, b) * b; }

struct Extent {
    std::int64_t begin, count;
};

struct Cut {
    std::int64_t rows, cols;    // of a tile
    std::int64_t down, across;  // tiles
};

// A function of the shape alone. What an element of C becomes does not depend on it.
Cut cut_into_tiles(const MicroKernel& kernel, std::int64_t m, std::int64_t n) {
    constexpr std::int64_t sizes[][2] = {{max_rows, max_cols}, {max_rows, 96}, {128, 96}, {64, 96}, {64, 48}};
    Cut cut{};
    for (auto [rows, cols] : sizes) {
        cut.rows = round_up(ceil_div(m, ceil_div(m, rows)), kernel.a.width);
        cut.cols = round_up(ceil_div(n, ceil_div(n, cols)), kernel.b.width);
        cut.down = ceil_div(m, cut.rows);
        cut.across = ceil_div(n, cut.cols);
        if (cut.down * cut.across >= enough_tiles) break;
    }
    return cut;
}

// Parts of about equal size. A function of k and the micro-kernel alone: a row of C does not depend on m.
std::int64_t part_of_k(const MicroKernel& kernel, std::int64_t k) {
    const std::int64_t most = panel_k_bytes / std::int64_t(size_of(kernel.type));
    return std::min(most, round_up(ceil_div(k, std::max<std::int64_t>(1, ceil_div(k, most))), 64));
}

struct Panels {
    std::byte *a, *b, *weights, *sums;
};

std::size_t sum_bytes(const MicroKernel& kernel) { return std::max(size_of(kernel.type), sizeof(float)); }

const void* element(const MatmulOperand& x, std::int64_t row, std::int64_t col) {
    return static_cast<const std::byte*>(x.data) + std::size_t(row * x.stride + col) * size_of(x.dtype);
}

void pack_a(const MicroKernel& kernel, const MatmulOperand& a, Extent rows, Extent k, std::int64_t padded_k,
            void* out) {
    const PackBlock block{.data = a.transposed ? element(a, k.begin, rows.begin) : element(a, rows.begin, k.begin),
                          .dtype = a.dtype,
                          .stride = a.stride,
                          .along_k = !a.transposed,
                          .lines = rows.count,
                          .k = k.count,
                          .padded_k = padded_k};
    kernel.pack(block, kernel.a, out);
}

// One product: what multiplies it, and what decodes B where it is quantized.
struct BlockedProduct {
    const MicroKernel& kernel;
    const MatmulArgs& args;
    RangeDecoder decode;
};

void pack_b(const BlockedProduct& p, Extent cols, Extent k, std::int64_t padded_k, const Panels& scratch) {
    const MatmulOperand& b = p.args.b;
    Extent stored_rows = b.transposed ? cols : k, stored_cols = b.transposed ? k : cols;
    PackBlock block{.along_k = b.transposed, .lines = cols.count, .k = k.count, .padded_k = padded_k};
    if (b.quant) {
        block.dtype = p.args.a.dtype;
        block.stride = stored_cols.count;
        block.data = scratch.weights;
        for (std::int64_t i = 0; i < stored_rows.count; i++) {
            std::byte* out = scratch.weights + std::size_t(i * block.stride) * size_of(block.dtype);
            p.decode((stored_rows.begin + i) * b.quant->cols + stored_cols.begin, stored_cols.count, block.dtype, out);
        }
    } else {
        block.dtype = b.dtype;
        block.stride = b.stride;
        block.data = element(b, stored_rows.begin, stored_cols.begin);
    }
    p.kernel.pack(block, p.kernel.b, scratch.b);
}

// All strips of A against all strips of B; one strip of B stays in the cache meanwhile.
void multiply_panels(const MicroKernel& kernel, std::int64_t rows, std::int64_t cols, std::int64_t padded_k,
                     const Panels& scratch, std::int64_t sums_stride) {
    const std::size_t line_bytes = std::size_t(padded_k) * size_of(kernel.type);
    for (std::int64_t col = 0; col < cols; col += kernel.b.width)
        for (std::int64_t row = 0; row < rows; row += kernel.a.width)
            kernel.multiply(int(std::min<std::int64_t>(kernel.a.width, rows - row)), padded_k,
                            scratch.a + std::size_t(row) * line_bytes, scratch.b + std::size_t(col) * line_bytes,
                            scratch.sums + std::size_t(row * sums_stride + col) * sum_bytes(kernel), sums_stride);
}

void compute_tile(const BlockedProduct& p, Extent rows, Extent cols, std::byte* memory) {
    const MicroKernel& kernel = p.kernel;
    const MatmulArgs& args = p.args;
    const Panels scratch{memory, memory + a_bytes, memory + a_bytes + b_bytes, memory + a_bytes + 2 * b_bytes};
    const std::int64_t sums_stride = round_up(cols.count, kernel.b.width);
    const std::int64_t panel_k = part_of_k(kernel, args.k), step = std::max(kernel.a.step, kernel.b.step);
    std::memset(scratch.sums, 0, std::size_t(rows.count * sums_stride) * sum_bytes(kernel));
    for (std::int64_t begin = 0; begin < args.k; begin += panel_k) {
        const Extent k{begin, std::min(panel_k, args.k - begin)};
        const std::int64_t padded_k = round_up(k.count, step);
        pack_a(kernel, args.a, rows, k, padded_k, scratch.a);
        pack_b(p, cols, k, padded_k, scratch);
        multiply_panels(kernel, rows.count, cols.count, padded_k, scratch, sums_stride);
    }
    kernel.store(args, {scratch.sums, sums_stride, rows.begin, cols.begin, rows.count, cols.count});
}

DType widest(const MatmulArgs& args) {
    const DType b = args.b.quant ? args.a.dtype : args.b.dtype;
    return size_of(args.a.dtype) >= size_of(b) ? args.a.dtype : b;
}

void check_dtype(const char* name, DType t) {
    if (t != DType::f64 && t != DType::f32 && t != DType::bf16)
        throw Error(
            fmt::format("[matmul] expected f64, f32 or bf16 for {}, got {}; convert it first", name, name_of(t)));
}

void check_stride(const char* name, std::int64_t stride, std::int64_t width) {
    if (stride < width)
        throw Error(fmt::format("[matmul] expected {} to have a stride of {} or more, got {}", name, width, stride));
}

void check(const MatmulArgs& args) {
    const MatmulOperand &a = args.a, &b = args.b;
    if (args.m < 0 || args.n < 0 || args.k < 0)
        throw Error(fmt::format("[matmul] expected sizes of 0 or more, got m {}, n {}, k {}", args.m, args.n, args.k));
    check_dtype("A", a.dtype);
    check_dtype("C", args.c_dtype);
    check_stride("A", a.stride, a.transposed ? args.m : args.k);
    check_stride("C", args.c_stride, args.n);
    if (a.quant) throw Error("[matmul] expected a dense A, got a quantized one; swap the operands");
    if (!b.quant) {
        check_dtype("B", b.dtype);
        check_stride("B", b.stride, b.transposed ? args.k : args.n);
        return;
    }
    const QuantTensor& q = *b.quant;
    const std::int64_t rows = b.transposed ? args.n : args.k, cols = b.transposed ? args.k : args.n;
    if (q.rows != rows || q.cols != cols)
        throw Error(
            fmt::format("[matmul] expected a quantized B of [{}, {}], got [{}, {}]", rows, cols, q.rows, q.cols));
}
}  // namespace

void matmul_with(const MicroKernel& kernel, const CpuDevice& device, const MatmulArgs& args) {
    check(args);
    if (args.m == 0 || args.n == 0) return;
    const Cut cut = cut_into_tiles(kernel, args.m, args.n);
    const BlockedProduct blocked{kernel, args, args.b.quant ? kernel.decoder(*args.b.quant) : RangeDecoder()};
    device.pool->parallel_for_thread(cut.down * cut.across, [&](std::int64_t tile, int thread) {
        const std::int64_t row = tile % cut.down * cut.rows, col = tile / cut.down * cut.cols;
        compute_tile(blocked, {row, std::min(cut.rows, args.m - row)}, {col, std::min(cut.cols, args.n - col)},
                     device.of_thread(thread));
    });
}

void matmul(const CpuDevice& device, const MatmulArgs& args) {
    matmul_with(micro_kernel_for(widest(args)), device, args);
}

const char* matmul_kernel_name(DType dtype) { return micro_kernel_for(dtype).name; }

}  // namespace tandem
