#include <fmt/core.h>

#include <algorithm>

#include "models/train/base_weights.h"
#include "runtime/rng.h"
#include "runtime/thread_pool.h"

namespace tandem {

namespace {

// Mean 0, deviation 1: the sum of four bytes, each of which has the variance (256^2 - 1) / 12.
float nearly_normal(std::uint32_t bits) {
    const std::uint32_t pairs = (bits & 0x00ff00ffu) + (bits >> 8 & 0x00ff00ffu);
    return (float((pairs & 0xffff) + (pairs >> 16)) - 510.0f) * (1 / 147.8016f);
}

class RandomWeights final : public BaseWeights {
  public:
    explicit RandomWeights(std::uint64_t seed) : seed_(seed) {}

    std::optional<std::vector<std::byte>> parts(const TableEntry& e, ThreadPool& pool) const override {
        const std::int64_t rows = e.param.shape[0], cols = e.param.shape[1];
        std::vector<std::byte> bytes(quant_bytes(*e.quant, rows, cols));
        fill_with_noise(*e.quant, {philox_key(seed_, e.site), deviation}, rows, cols, bytes.data(), pool);
        return bytes;
    }

    void read(const TableEntry& e, std::int64_t first, std::span<float> out, ThreadPool& pool) const override {
        if (e.param.shape.rank() == 1) {
            std::fill(out.begin(), out.end(), e.name.ends_with("norm.weight") ? 1.0f : 0.0f);
            return;
        }
        const PhiloxKey key = philox_key(seed_, e.site);
        const std::int64_t cols = e.param.shape[1];
        pool.parallel_for(std::int64_t(out.size()) / cols, [&](std::int64_t i) {
            const std::span<float> row = out.subspan(std::size_t(i * cols), std::size_t(cols));
            constexpr std::size_t piece = 1024;
            std::uint32_t bits[piece];
            for (std::size_t col = 0; col < row.size(); col += piece) {
                const std::size_t n = std::min(piece, row.size() - col);
                random_bytes(key, std::uint32_t(first / cols + i), col * sizeof(float),
                             std::as_writable_bytes(std::span(bits).first(n)));
                for (std::size_t k = 0; k < n; k++) row[col + k] = deviation * nearly_normal(bits[k]);
            }
        });
    }

    [[noreturn]] void refuse_nonfinite(const std::string& tensor) const override {
        throw Error(fmt::format("[load] the noise of {} is not finite", tensor));
    }

  private:
    static constexpr float deviation = 0.02f;
    std::uint64_t seed_;
};

}  // namespace

std::unique_ptr<BaseWeights> random_weights(std::uint64_t seed) { return std::make_unique<RandomWeights>(seed); }

}  // namespace tandem
