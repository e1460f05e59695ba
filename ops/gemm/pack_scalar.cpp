#include "ops/gemm/machines.h"

namespace tandem {

namespace {
template <class Source, class Panel> void pack_from(const PackBlock& block, StripLayout layout, Panel* out) {
    const Source* data = static_cast<const Source*>(block.data);
    const std::int64_t line_stride = block.along_k ? block.stride : 1, k_stride = block.along_k ? 1 : block.stride;
    for (std::int64_t strip = 0; strip < block.lines; strip += layout.width)
        for (std::int64_t k = 0; k < block.padded_k; k += layout.step)
            for (std::int64_t line = strip; line < strip + layout.width; line++)
                for (std::int64_t i = k; i < k + layout.step; i++) {
                    const bool valid = line < block.lines && i < block.k;
                    *out++ = valid ? static_cast<Panel>(data[line * line_stride + i * k_stride]) : Panel{};
                }
}
}  // namespace

template <class Panel> void pack_scalar(const PackBlock& block, StripLayout layout, void* strips) {
    visit_compute(block.dtype, [&]<class Source>() { pack_from<Source>(block, layout, static_cast<Panel*>(strips)); });
}

template void pack_scalar<double>(const PackBlock&, StripLayout, void*);
template void pack_scalar<float>(const PackBlock&, StripLayout, void*);

}  // namespace tandem
