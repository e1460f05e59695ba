#include "ops/gemm/qmatmul.h"
#include "tests/ops/gemm/card.h"

using namespace tandem;
using namespace tandem::test;

namespace {

enum class Way { chosen, few, some, tile };

inline void run(const CudaDevice& device, const MatmulArgs& args, Way way) {
    if (way == Way::chosen) matmul(device, args);
    if (way == Way::few) qmatmul_few(device, args);
    if (way == Way::some) qmatmul_some(device, args);
    if (way == Way::tile) qmatmul_tile(device, args);
}

struct Case {
    std::int64_t tokens, out, in;
    DType type = DType::bf16;
    bool bias = false;
    QuantSpec spec = {};
};

void check_forward(const Case& s, Way way = Way::chosen) {
    TestRank rank(s.type, 1, DeviceKind::cuda);
    Context& ctx = rank.ctx;
    const QuantizedWeight q(s.spec, s.out * s.in);
    const Tensor weight = q.upload(ctx);
    const std::vector<double> w = q.values(s.spec, s.out * s.in, s.type), x = bf16_numbers(s.tokens * s.in, 1);
    const std::vector<double> bias = bf16_numbers(s.out, 2);
    const Tensor y = tensor_of(ctx, {s.tokens, s.out}, s.type, std::vector<double>(std::size_t(s.tokens * s.out), 99));
    const Tensor x_there = tensor_of(ctx, {s.tokens, s.in}, s.type, x);
    const Tensor bias_there = s.bias ? tensor_of(ctx, {s.out}, s.type, bias) : Tensor();
    const QuantTensor quant{s.spec, s.out, s.in, weight.data()};
    MatmulArgs args = product(y, s.in, operand(x_there), {.transposed = true, .quant = &quant});
    args.bias = bias_there.data();
    on_card(ctx, [&](const CudaDevice& device) { run(device, args, way); });
    std::vector<double> base(std::size_t(s.tokens * s.out));
    for (std::size_t i = 0; i < base.size() && s.bias; i++) base[i] = bias[i % std::size_t(s.out)];
    const std::vector<double> first = values_of(ctx, y);
    INFO(s.tokens, " tokens, ", s.out, " x ", s.in, " ", std::string(name_of(s.type)), s.bias ? " bias" : "");
    check_product(s.type, s.tokens, s.out, s.in, {x, s.in}, {w, s.in, true}, 1, base, first);
    on_card(ctx, [&](const CudaDevice& device) { run(device, args, way); });
    CHECK(values_of(ctx, y) == first);
}

void check_backward(const Case& s, bool adds, bool in_place) {
    TestRank rank(s.type, 1, DeviceKind::cuda);
    Context& ctx = rank.ctx;
    const QuantizedWeight q(s.spec, s.out * s.in);
    const Tensor weight = q.upload(ctx);
    const std::vector<double> w = q.values(s.spec, s.out * s.in, s.type), dy = bf16_numbers(s.tokens * s.out, 1);
    const std::vector<double> before = bf16_numbers(s.tokens * s.in, 2);
    const Tensor dy_there = tensor_of(ctx, {s.tokens, s.out}, s.type, dy);
    const Tensor there = tensor_of(ctx, {s.tokens, s.in}, s.type, before);
    const Tensor dx = in_place ? there : ctx.empty({s.tokens, s.in}, s.type, "dx");
    const QuantTensor quant{s.spec, s.out, s.in, weight.data()};
    on_card(ctx, [&](const CudaDevice& device) {
        matmul(device, product(dx, s.out, operand(dy_there), {.quant = &quant}, adds ? there : Tensor()));
    });
    check_product(s.type, s.tokens, s.in, s.out, {dy, s.out}, {w, s.in}, 1, adds ? before : std::vector<double>(),
                  values_of(ctx, dx));
}

}  // namespace

// 150 rows and 288 columns end within every tile; 1120 columns are cut in two parts where the codes are read.
TEST_CASE("qmatmul on a card, by every way, for any number of tokens") {
    if (!has_card()) return;
    for (std::int64_t tokens : {1, 2, 3, 8, 9, 16, 20, 33, 64, 65, 128})
        for (bool bias : {false, true}) {
            const Case wide{tokens, 150, 288, DType::bf16, bias},
                deep{tokens, 40, 1120, DType::bf16, bias, Block4{.nested = false}};
            for (const Case& s : {wide, deep}) {
                check_forward(s);
                check_forward(s, Way::some);
                check_forward(s, Way::tile);
                if (tokens <= 8) check_forward(s, Way::few);
            }
        }
    for (std::int64_t tokens : {1, 3, 8, 9}) {
        check_forward({tokens, 11, 1056, DType::f32, true});
        check_forward({tokens, 11, 288, DType::f32, false, Block4{.nested = false}});
        check_forward({tokens, 24, 50});  // codes of a row begin anywhere
        check_forward({tokens, 7, 33, DType::f32});
    }
}

TEST_CASE("qmatmul on a card: every block, codes of both formats") {
    if (!has_card()) return;
    for (int block : {32, 128, 4096})
        for (Block4::Book format : {Block4::Book::nf4, Block4::Book::fp4})
            for (std::int64_t tokens : {5, 40}) {
                check_forward(
                    {tokens, 33, 160, DType::bf16, false, Block4{.book = format, .block = block, .nested_block = 7}});
            }
}

TEST_CASE("the gradient through a quantized weight on a card") {
    if (!has_card()) return;
    for (DType type : {DType::f32, DType::bf16})
        for (std::int64_t tokens : {1, 8, 33})
            for (bool adds : {false, true})
                for (bool in_place : {false, true}) {
                    check_backward({tokens, 24, 96, type}, adds, in_place);
                    check_backward({tokens, 5, 33, type}, adds, in_place);
                }
}

TEST_CASE("products of HQQ on a card: codes of 4 bits are read, others decoded into tiles, any width and group") {
    if (!has_card()) return;
    for (std::int64_t tokens : {1, 8, 9, 20, 40, 128})
        for (int group : {32, 64, 256}) {
            const Case s{tokens, 33, 288, DType::bf16, true, Hqq{.group = group}};
            check_forward(s);
            check_forward(s, Way::some);
            check_forward(s, Way::tile);
            if (tokens <= 8) check_forward(s, Way::few);
            if (tokens <= 8) check_forward({tokens, 11, 288, DType::f32, false, Hqq{.group = group}}, Way::few);
        }
    for (DType type : {DType::f32, DType::bf16})
        for (int bits : {8, 4, 3, 2, 1})
            for (std::int64_t tokens : {1, 33}) {
                check_forward({tokens, 24, 96, type, true, Hqq{.bits = bits}});
                check_forward({tokens, 24, 96, type, true, Hqq{.bits = bits, .group = 16}});
                check_backward({tokens, 24, 96, type, false, Hqq{.bits = bits}}, true, false);
                check_backward({tokens, 5, 33, type, false, Hqq{.bits = bits, .group = 16}}, false, false);
            }
}
