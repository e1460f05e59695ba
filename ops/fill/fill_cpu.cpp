#include <algorithm>
#include <cstring>

#include "ops/fill/fill_kernels.h"
#include "runtime/thread_pool.h"

namespace tandem {

void fill_zero_kernel(const CpuDevice& device, const Tensor& t) {
    constexpr std::size_t block = 1 << 20;  // bytes
    const std::size_t bytes = t.bytes();
    device.pool->parallel_for(std::int64_t((bytes + block - 1) / block), [&](std::int64_t i) {
        const std::size_t begin = std::size_t(i) * block;
        std::memset(t.data() + begin, 0, std::min(block, bytes - begin));
    });
}

}  // namespace tandem
