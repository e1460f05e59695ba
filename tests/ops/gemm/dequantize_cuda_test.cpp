#include "ops/gemm/dequantize_cuda.h"

#include "tests/ops/gemm/card.h"

using namespace tandem;
using namespace tandem::test;

namespace {

void check_dequantize(const Block4& spec, std::int64_t elements, DType type) {
    TestRank rank(DType::f32, 1, DeviceKind::cuda);
    Context& ctx = rank.ctx;
    const QuantizedWeight q(spec, elements);
    const Tensor weight = q.upload(ctx);
    const std::int64_t beyond = 9;
    const Tensor out =
        tensor_of(ctx, {elements + beyond}, type, std::vector<double>(std::size_t(elements + beyond), 77));
    on_card(ctx, [&](const CudaDevice& device) {
        dequantize(device.stream, {spec, 1, elements, weight.data()}, type, out.data());
    });
    std::vector<double> expected = q.values(spec, elements, type);
    expected.resize(std::size_t(elements + beyond), 77);  // nothing is written there
    INFO(std::string(spec.name()), " nested ", spec.nested, " block ", spec.block, " of ", spec.nested_block, ", ",
         elements);
    CHECK(values_of(ctx, out) == expected);
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
