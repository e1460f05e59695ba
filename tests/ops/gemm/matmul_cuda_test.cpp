#include "ops/gemm/matmul.h"

#include "tests/ops/gemm/card.h"

using namespace tandem;
using namespace tandem::test;

namespace {

enum class Addend { none, c, other };

struct Case {
    std::int64_t m, n, k;
    bool a_transposed = false, b_transposed = false;
    Addend addend = Addend::none;
    bool bias = false;
    double alpha = 1;
};

void check_multiply(const Case& s, DType type, DType c_type) {
    TestRank rank(type, 1, DeviceKind::cuda);
    Context& ctx = rank.ctx;
    const std::vector<double> a = bf16_numbers(s.m * s.k, 1), b = bf16_numbers(s.k * s.n, 2);
    const std::vector<double> before = bf16_numbers(s.m * s.n, 3), bias = bf16_numbers(s.n, 4);
    const Shape a_shape = s.a_transposed ? Shape{s.k, s.m} : Shape{s.m, s.k};
    const Shape b_shape = s.b_transposed ? Shape{s.n, s.k} : Shape{s.k, s.n};
    const Tensor a_there = tensor_of(ctx, a_shape, type, a), b_there = tensor_of(ctx, b_shape, type, b);
    const Tensor c = tensor_of(ctx, {s.m, s.n}, c_type, before), other = tensor_of(ctx, {s.m, s.n}, c_type, before);
    const Tensor bias_there = tensor_of(ctx, {s.n}, c_type, bias);
    const Tensor addend = s.addend == Addend::none ? Tensor() : s.addend == Addend::c ? c : other;
    on_card(ctx, [&](const CudaDevice& device) {
        MatmulArgs args = product(c, s.k, s.a_transposed ? transposed(a_there) : operand(a_there),
                                  s.b_transposed ? transposed(b_there) : operand(b_there), addend);
        args.alpha = s.alpha;
        args.bias = s.bias ? bias_there.data() : nullptr;
        matmul(device, args);
    });
    std::vector<double> base(before.size());
    for (std::size_t i = 0; i < base.size(); i++)
        base[i] = (s.addend == Addend::none ? 0 : before[i]) + (s.bias ? bias[i % std::size_t(s.n)] : 0);
    INFO(s.m, " x ", s.n, " x ", s.k, s.a_transposed ? " a^T" : "", s.b_transposed ? " b^T" : "", " addend ",
         int(s.addend), s.bias ? " bias" : "", " ", std::string(name_of(type)), " to ", std::string(name_of(c_type)));
    check_product(c_type, s.m, s.n, s.k, {a, a_shape[1], s.a_transposed}, {b, b_shape[1], s.b_transposed}, s.alpha,
                  base, values_of(ctx, c));
}

}  // namespace

// 72, 80 and 88 are for cuBLASLt; 7, 65, 67 and 69 have strides that it would refuse.
TEST_CASE("products on a card: any alignment, transposed or not, onto an addend, with a bias") {
    if (!has_card()) return;
    for (auto [type, c_type] :
         {std::pair{DType::f32, DType::f32}, {DType::bf16, DType::f32}, {DType::bf16, DType::bf16}})
        for (bool a_transposed : {false, true})
            for (bool b_transposed : {false, true}) {
                check_multiply({72, 80, 88, a_transposed, b_transposed}, type, c_type);
                check_multiply({65, 67, 69, a_transposed, b_transposed, Addend::c, type == c_type, -0.5}, type, c_type);
                check_multiply({7, 130, 1, a_transposed, b_transposed, Addend::other}, type, c_type);
            }
    for (DType type : {DType::f32, DType::bf16}) {
        for (Addend addend : {Addend::none, Addend::c, Addend::other})
            for (bool bias : {false, true}) check_multiply({72, 80, 88, false, true, addend, bias, 0.25}, type, type);
        check_multiply({8, 8, 0, false, false, Addend::c}, type, DType::f32);  // nothing to sum
        check_multiply({8, 8, 0}, type, DType::f32);
        check_multiply({0, 8, 8}, type, type);
    }
}

TEST_CASE("products on a card are of one type") {
    if (!has_card()) return;
    TestRank rank(DType::f32, 1, DeviceKind::cuda);
    Context& ctx = rank.ctx;
    const Tensor a = ctx.empty({8, 8}, DType::bf16, "a"), b = ctx.empty({8, 8}, DType::f32, "b");
    on_card(ctx, [&](const CudaDevice& device) {
        CHECK_NOTHROW(matmul(device, product(b, 8, operand(b), operand(b))));
        MatmulArgs with_bias = product(b, 8, operand(a), operand(a));
        CHECK_NOTHROW(matmul(device, with_bias));
        with_bias.bias = a.data();
        CHECK_THROWS_WITH(matmul(device, with_bias),
                          "[matmul] expected C of A's type where a bias is added on a card, got f32 and bf16");
        CHECK_THROWS_WITH(matmul(device, product(b, 8, operand(a), operand(b))),
                          "[matmul] expected factors of one type on a card, got bf16 and f32; load weights in the type "
                          "that is computed in");
    });
}
