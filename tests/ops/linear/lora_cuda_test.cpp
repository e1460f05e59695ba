#include "ops/linear/lora_cuda.h"

#include "ops/linear/linear.h"
#include "runtime/rng.h"
#include "tests/ops/gemm/card.h"

using namespace tandem;
using namespace tandem::test;

namespace {

Tensor token_numbers(Context& ctx, std::int64_t count, std::int32_t step) {
    std::vector<std::int32_t> v(static_cast<std::size_t>(count));
    for (std::size_t i = 0; i < v.size(); i++) v[i] = std::int32_t(i) * step + 1;
    return indices_of(ctx, v);
}

RandomState random_state(Context& ctx, std::int64_t tokens) {
    return {7, 3, token_numbers(ctx, tokens, 5), token_numbers(ctx, tokens, 2)};
}

// What ops/dropout makes of a matrix of ones, in bf16.
std::vector<double> dropped_ones(std::int64_t tokens, std::int64_t columns, RandomSite site, double p) {
    std::vector<double> v;
    for (std::int64_t t = 0; t < tokens; t++)
        for (std::int64_t c = 0; c < columns; c++) {
            const PhiloxBits bits = random_bits(
                philox_key(7, site), {3, std::uint32_t(t * 5 + 1), std::uint32_t(t * 2 + 1), std::uint32_t(c)});
            const bool kept = dropout_keeps(bits[int(c % 4)], dropout_threshold(p));
            v.push_back(kept ? round_to(DType::bf16, double(float(1 / (1 - p)))) : 0);
        }
    return v;
}

std::vector<double> identity(std::int64_t rows, std::int64_t columns) {
    std::vector<double> v(std::size_t(rows * columns));
    for (std::int64_t i = 0; i < std::min(rows, columns); i++) v[std::size_t(i * columns + i)] = 1;
    return v;
}

// The op with LoRA on a card against f64 on the CPU, which has the same mask.
void check_lora(std::int64_t tokens, std::int64_t in, std::int64_t rank, bool adds) {
    const std::int64_t out = 24;
    OpCase c{.inputs = {{tokens, in}},
             .trainable = {{rank, in}, {out, rank}},
             .frozen = {{out, in}},
             .op =
                 [=](Context& ctx, const auto& x, const auto& p) {
                     ctx.random = random_state(ctx, tokens);
                     Lora lora{.a = p[0], .b = p[1], .scale = 0.5, .dropout = 0.3, .site = {1, 2}};
                     Value y = linear(ctx, x[0], {.weight = {p[2], {}}, .bias = {}, .lora = lora});
                     if (adds) linear(ctx, x[0], {.weight = {p[2], {}}, .bias = {}, .lora = lora});  // nobody reads it
                     return y;
                 },
             .roundings = 10};
    Arrays arrays;
    unsigned seed = 1;
    for (const auto* group : {&c.inputs, &c.trainable, &c.frozen})
        for (const Shape& s : *group) arrays.push_back(bf16_numbers(s.elements(), seed++));
    const std::vector<double> dy = bf16_numbers(tokens * out, seed);
    const OpResult exact = run_op(c, DType::f64, arrays, dy);
    const OpResult one = run_op(c, DType::bf16, arrays, dy, 1, DeviceKind::cuda);
    const OpResult again = run_op(c, DType::bf16, arrays, dy, 1, DeviceKind::cuda);
    INFO(tokens, " tokens, ", in, " wide, rank ", rank);
    CHECK(one.y == again.y);
    CHECK(one.dx == again.dx);
    check_close(c, DType::bf16, one.y, exact.y);
    for (std::size_t i = 0; i < exact.dx.size(); i++) {
        INFO("gradient of array ", i);
        check_close(c, DType::bf16, one.dx[i], exact.dx[i]);
    }
}

}  // namespace

TEST_CASE("the mask inside LoRA's kernels is dropout's, bit for bit") {
    if (!has_card()) return;
    const double p = 0.4;
    for (auto [tokens, columns] : {std::pair<std::int64_t, std::int64_t>{8, 264}, {130, 16}, {64, 64}}) {
        TestRank rank(DType::bf16, 1, DeviceKind::cuda);
        Context& ctx = rank.ctx;
        const RandomSite site{4, 9};
        const DropoutMask mask{site, p, random_state(ctx, tokens)};
        const std::vector<double> expected = dropped_ones(tokens, columns, site, p);
        const std::vector<double> ones(std::size_t(tokens * columns), 1);
        const Tensor x = tensor_of(ctx, {tokens, columns}, DType::bf16, ones);
        INFO(tokens, " x ", columns);

        // dx = mask * (up A), where up A is ones: a first column of ones times a first row of ones.
        std::vector<double> up(std::size_t(tokens * 8)), a(std::size_t(8 * columns));
        for (std::int64_t t = 0; t < tokens; t++) up[std::size_t(t * 8)] = 1;
        std::fill_n(a.begin(), columns, 1);
        const Tensor up_there = tensor_of(ctx, {tokens, 8}, DType::bf16, up);
        const Tensor a_there = tensor_of(ctx, {8, columns}, DType::bf16, a), dx = ctx.empty_like(x, "dx");
        on_card(ctx, [&](const CudaDevice& device) { lora_masked_dx(device, up_there, a_there, mask, {dx, {}}); });
        CHECK(values_of(ctx, dx) == expected);

        if (columns <= 128) {  // down = drop(x) I
            const Tensor eye = tensor_of(ctx, {columns, columns}, DType::bf16, identity(columns, columns));
            const Tensor down = ctx.empty_like(x, "down");
            on_card(ctx, [&](const CudaDevice& device) { lora_masked_down(device, {x, mask}, eye, down); });
            CHECK(values_of(ctx, down) == expected);
        }
        if (tokens <= 128) {  // dA = I drop(x), in f32
            const Tensor eye = tensor_of(ctx, {tokens, tokens}, DType::bf16, identity(tokens, tokens));
            const Tensor da = tensor_of(ctx, {tokens, columns}, DType::f32, std::vector<double>(ones.size(), 0));
            on_card(ctx, [&](const CudaDevice& device) { lora_masked_outer(device, eye, {x, mask}, {da, da}); });
            std::vector<double> rounded = values_of(ctx, da);
            for (double& v : rounded) v = round_to(DType::bf16, v);
            CHECK(rounded == expected);
        }
    }
}

// 70 tokens and 264 columns end within every tile; 300 tokens are cut in two for dA, 528 columns for down.
TEST_CASE("LoRA with dropout on a card, any rank that its kernels take") {
    if (!has_card()) return;
    for (std::int64_t rank : {8, 16, 24, 48, 64, 128}) check_lora(70, 264, rank, false);
    check_lora(300, 528, 16, true);
    check_lora(1, 8, 8, true);
    check_lora(0, 8, 8, false);
}
