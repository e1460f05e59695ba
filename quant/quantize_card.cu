#include <algorithm>

#include "quant/card_job.h"
#include "quant/quantize.h"
#include "runtime/cuda/cuda_device.h"
#include "runtime/cuda/staging.h"
#include "runtime/cuda/tile_ahead.h"

namespace tandem {

bool fits_on_card(const CudaDevice& device, const QuantSpec& spec, std::int64_t rows, std::int64_t cols) {
    const std::size_t workspace =
        std::visit([&](const auto& format) { return format.card_workspace(rows, cols); }, spec);
    return quant_bytes(spec, rows, cols) + workspace <= device.tiles->memory().size();
}

bool quantize(const CudaDevice& device, const QuantSpec& spec, const HostWeight& weight, std::span<std::byte> out) {
    const DType dtype = weight.dtype;
    const std::int64_t most = std::int64_t(CudaDevice::scratch_bytes / size_of(dtype));
    static_assert(CudaDevice::scratch_bytes % (card_piece * sizeof(double)) == 0);
    std::byte* memory = device.tiles->memory().data();
    const CardJob job{device.stream, weight.rows, weight.cols, memory, memory + out.size()};
    std::visit(
        [&](const auto& format) {
            for (std::int64_t first = 0; first < job.elements(); first += most) {
                const std::int64_t count = std::min(most, job.elements() - first);
                device.staging->upload(device.scratch, weight.bytes.subspan(std::size_t(first) * size_of(dtype),
                                                                            std::size_t(count) * size_of(dtype)));
                format.encode_piece(job, dtype, device.scratch, first, count);
            }
            format.finish(job);
        },
        spec);
    std::uint32_t nonfinite = 0;
    device.staging->download(std::as_writable_bytes(std::span(&nonfinite, 1)), job.workspace);
    if (nonfinite) return false;
    device.staging->download(out, job.out);
    return true;
}

}  // namespace tandem
