#include "ops/gemm/dequantize_cuda.h"

#include "tests/ops/gemm/card.h"
#include "tests/quant/hqq_noise.h"

using namespace tandem;
using namespace tandem::test;

namespace {

void check_equal(const QuantSpec& spec, const QuantizedWeight& q, std::int64_t elements, DType type) {
    TestRank rank(DType::f32, 1, DeviceKind::cuda);
    Context& ctx = rank.ctx;
    const Tensor weight = q.upload(ctx);
    const std::int64_t beyond = 9;
    const Tensor out =
        tensor_of(ctx, {elements + beyond}, type, std::vector<double>(std::size_t(elements + beyond), 77));
    on_card(ctx, [&](const CudaDevice& device) {
        dequantize(device.stream, {spec, 1, elements, weight.data()}, type, out.data());
    });
    std::vector<double> expected = q.values(spec, elements, type);
    expected.resize(std::size_t(elements + beyond), 77);  // nothing is written there
    CHECK(values_of(ctx, out) == expected);
}

void check_dequantize(const Block4& spec, std::int64_t elements, DType type) {
    INFO(std::string(spec.name()), " nested ", spec.nested, " block ", spec.block, " of ", spec.nested_block, ", ",
         elements);
    check_equal(spec, QuantizedWeight(spec, elements), elements, type);
}

}  // namespace

TEST_CASE("a card dequantizes to the CPU's bits: any format, block and size") {
    if (!has_card()) return;
    for (DType type : {DType::f32, DType::bf16})
        for (Block4::Book format : {Block4::Book::nf4, Block4::Book::fp4})
            for (bool nested : {false, true}) {
                for (int block = 32; block <= 4096; block *= 2)
                    check_dequantize({.book = format, .nested = nested, .block = block}, 3 * 2048 + 77, type);
                for (std::int64_t elements :
                     {1, 2, 7, 8, 9, 31, 33, 63, 65, 1023, 1024, 1025, 2047, 2048, 2049, 16383, 16385})
                    check_dequantize({.book = format, .nested = nested}, elements, type);
            }
    for (int nested_block : {1, 3, 64})
        check_dequantize({.block = 32, .nested_block = nested_block}, 5001, DType::bf16);
}

TEST_CASE("a card dequantizes HQQ to the CPU's bits: any width, axis, group, size and type of scale") {
    if (!has_card()) return;
    for (DType type : {DType::f32, DType::bf16})
        for (int bits : {8, 4, 3, 2, 1}) {
            for (DType meta : {DType::f16, DType::bf16, DType::f32})
                for (const auto& [group, axis, rows, cols] : hqq_shapes) {
                    CAPTURE(bits);
                    CAPTURE(group);
                    CAPTURE(axis);
                    const HqqNoise q({.bits = bits, .group = group, .axis = axis, .meta = meta}, rows, cols);
                    const QuantSpec spec = q.spec;
                    check_equal(spec, QuantizedWeight(q.bytes), rows * cols, type);
                }
            for (std::int64_t elements : {1, 7, 8, 9, 2047, 2048, 2049, 8191, 8193, 16385})
                check_equal(Hqq{.bits = bits}, QuantizedWeight(Hqq{.bits = bits}, elements), elements, type);
        }
}
