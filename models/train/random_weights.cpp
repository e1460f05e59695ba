#include <fmt/core.h>

#include <algorithm>

#include "models/train/base_weights.h"
#include "runtime/rng.h"

namespace tandem {

namespace {

class RandomWeights final : public BaseWeights {
  public:
    explicit RandomWeights(std::uint64_t seed) : seed_(seed) {}

    std::vector<float> values(const TableEntry& e) const override {
        std::vector<float> v(std::size_t(e.param.shape.elements()));
        if (e.param.shape.rank() == 1) {
            if (e.name.ends_with("norm.weight")) std::fill(v.begin(), v.end(), 1.0f);
            return v;
        }
        const PhiloxKey key = philox_key(seed_, e.site);
        const std::int64_t cols = e.param.shape[1];
        for (std::int64_t row = 0; row < e.param.shape[0]; row++)
            for (std::int64_t col = 0; col < cols; col += 4) {
                const Normal4 n = normal(random_bits(key, {0, 0, std::uint32_t(row), std::uint32_t(col)}));
                for (std::int64_t k = col; k < std::min(col + 4, cols); k++)
                    v[std::size_t(row * cols + k)] = 0.02f * n.value[k - col];
            }
        return v;
    }

    [[noreturn]] void refuse_nonfinite(const std::string& tensor) const override {
        throw Error(fmt::format("[load] the noise of {} is not finite", tensor));
    }

  private:
    std::uint64_t seed_;
};

}  // namespace

std::unique_ptr<BaseWeights> random_weights(std::uint64_t seed) { return std::make_unique<RandomWeights>(seed); }

}  // namespace tandem
