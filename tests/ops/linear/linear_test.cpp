#include "ops/linear/linear.h"

#include "ops/add/add.h"
#include "quant/quantize.h"
#include "runtime/thread_pool.h"
#include "tests/support/check_op.h"

using namespace tandem;
using namespace tandem::test;

namespace {

Value linear_of(Context& ctx, const Value& x, const Linear& w) { return linear(ctx, x, w); }

Tensor indices(Context& ctx, std::int64_t count) {
    std::vector<std::int32_t> v(static_cast<std::size_t>(count));
    std::iota(v.begin(), v.end(), 0);
    return indices_of(ctx, v);
}

struct QuantizedParam {
    std::vector<std::byte> bytes;
    std::vector<double> values;
    QuantizedParam(const QuantSpec& spec, const Shape& s)
        : bytes(quant_bytes(spec, s[0], s[1])), values(std::size_t(s.elements())) {
        std::vector<float> w(values.size());
        for (std::size_t i = 0; i < w.size(); i++) w[i] = std::sin(float(i));
        ThreadPool pool(1);
        REQUIRE(quantize(spec, host_weight(w.data(), s[0], s[1]), bytes.data(), pool));
        dequantize(QuantTensor{spec, s[0], s[1], bytes.data()}, 0, s.elements(), values.data());
    }
};

}  // namespace

// The product is rounded once; a further rounding for each addend that was written before it.
TEST_CASE("linear: frozen or trained weight, with and without bias") {
    for (auto [tokens, in, out] : {std::array<std::int64_t, 3>{0, 7, 4}, {1, 7, 4}, {5, 7, 4}, {5, 8, 16}})
        for (bool trained : {false, true})
            for (bool bias : {false, true}) {
                OpCase c{
                    .inputs = {{tokens, in}}, .op = [bias](Context& ctx, const auto& x, const auto& p) {
                        return linear_of(ctx, x[0], {.weight = {p[0], {}}, .bias = bias ? p[1] : Param(), .lora = {}});
                    }};
                std::vector<Shape>& params = trained ? c.trainable : c.frozen;
                params.push_back({out, in});
                if (bias) params.push_back({out});
                check_op(c);
            }
}

// x W^T, A's product, the sum, and in backward the products with B and A: five roundings in a row at most.
// Widths and ranks of 8 are those of a card's kernels that apply the mask themselves.
TEST_CASE("linear with LoRA, with and without dropout and a trained weight") {
    for (auto [in, rank] : {std::array<std::int64_t, 2>{6, 2}, {8, 8}})
        for (double p : {0.0, 0.4})
            for (bool trained : {false, true}) {
                OpCase c{.inputs = {{5, in}},
                         .trainable = {{rank, in}, {4, rank}},
                         .op =
                             [=](Context& ctx, const auto& x, const auto& w) {
                                 ctx.random = {7, 3, indices(ctx, 5), indices(ctx, 5)};
                                 Lora lora{.a = w[0], .b = w[1], .scale = 0.5, .dropout = p, .site = {1, 2}};
                                 return linear_of(ctx, x[0], {.weight = {w[2], {}}, .bias = {}, .lora = lora});
                             },
                         .roundings = 10};
                (trained ? c.trainable : c.frozen).push_back({4, in});
                check_op(c);
            }
}

// Every value has another consumer, so that each gradient is added to one that is there.
TEST_CASE("linear adds to gradients that are there") {
    OpCase c{.inputs = {{3, 4}},
             .trainable = {{4, 4}, {2, 4}, {4, 2}},
             .op =
                 [](Context& ctx, const auto& x, const auto& w) {
                     Linear l{.weight = {w[0], {}}, .bias = {}, .lora = Lora{.a = w[1], .b = w[2], .scale = 2}};
                     Value y = linear(ctx, x[0], l);
                     Value z = linear(ctx, add(ctx, y, x[0]), l);  // the same weights twice
                     return add(ctx, z, y);
                 },
             .roundings = 20,
             .scale = 0.5};
    check_op(c);
}

namespace {

struct Pass {
    std::vector<double> y, dx;
};

// Forward and backward with five tokens.
Pass pass_of(TestRank& rank, DType type, const Weight& w, const Shape& s) {
    Context& ctx = rank.ctx;
    std::vector<double> values(std::size_t(5 * s[1]));
    for (std::size_t i = 0; i < values.size(); i++) values[i] = std::cos(double(i));
    Tape tape;
    Value x(tensor_of(ctx, {5, s[1]}, type, values), std::make_shared<GradSlot>(GradSlot{{5, s[1]}, type, {}}));
    Pass r;
    {
        TapeScope record(ctx, &tape);
        Value out = linear(ctx, x, {.weight = w, .bias = {}, .lora = {}});
        r.y = values_of(ctx, out);
        out.slot()->gradient = tensor_of(ctx, {5, s[0]}, type, {values.begin(), values.begin() + 5 * s[0]});
    }
    tape.run(ctx);
    r.dx = values_of(ctx, x.slot()->gradient);
    return r;
}

}  // namespace

// A card has another kernel for few tokens than for a dense weight: y is within two roundings.
TEST_CASE("a quantized weight gives the bits of the dense weight that it stands for") {
    const Shape shape{6, 64};
    std::vector<QuantSpec> specs{Hqq{.bits = 8}, Hqq{}, Hqq{.bits = 3}, Hqq{.bits = 2}, Hqq{.bits = 1}};
    for (Block4::Book format : {Block4::Book::nf4, Block4::Book::fp4})
        for (bool nested : {false, true}) specs.push_back(Block4{.book = format, .nested = nested});
    for (DeviceKind kind : device_kinds())
        for (std::size_t s = 0; s < specs.size(); s++)
            for (DType type : {DType::f64, DType::f32, DType::bf16}) {
                if (kind == DeviceKind::cuda && type == DType::f64) continue;
                QuantizedParam q(specs[s], shape);
                TestRank rank(type, 1, kind);
                Param dense = rank.store.add_frozen(shape, q.values);
                Param packed{0, false, rank.store.add_bytes(q.bytes), shape, type};
                LeaseScope lease(rank.ctx, rank.store, 0);
                const Pass d = pass_of(rank, type, {dense, {}}, shape),
                           p = pass_of(rank, type, {packed, specs[s]}, shape);
                INFO(std::string(name_of(type)), ", format ", s);
                const double unit = type == DType::bf16 ? 0x1p-9 : 32 * 0x1p-24;
                CHECK(distance(d.y, p.y) <= (kind == DeviceKind::cuda ? 2 * unit * norm(d.y) : 0));
                CHECK(d.dx == p.dx);
            }
}

TEST_CASE("linear refuses another width, and to train a quantized weight") {
    TestRank rank(DType::f32);
    Value x(rank.ctx.empty({2, 3}, DType::f32, "x"));
    Param narrow{0, false, 0, {4, 5}, DType::f32}, trained{0, true, 0, {4, 3}, DType::f32};
    CHECK_THROWS_WITH(linear(rank.ctx, x, {.weight = {narrow, {}}, .bias = {}, .lora = {}}),
                      "[linear] expected x and weight of equal width");
    CHECK_THROWS_WITH(linear(rank.ctx, x, {.weight = {trained, QuantSpec{}}, .bias = {}, .lora = {}}),
                      "[linear] expected a frozen weight where it is quantized");
}
