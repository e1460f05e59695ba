#include "models/llama/rope_table.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace tandem {

namespace {

std::vector<double> plain_frequencies(double theta, int head_dim) {
    std::vector<double> inverse;
    for (int i = 0; i < head_dim; i += 2) inverse.push_back(std::pow(theta, -double(i) / head_dim));
    return inverse;
}

double dynamic_theta(const RopeConfig& rope, int head_dim, double max_positions, double seq_len) {
    double stretch = rope.factor * std::max(seq_len, max_positions) / max_positions - (rope.factor - 1);
    return rope.theta * std::pow(stretch, double(head_dim) / (head_dim - 2));
}

// Fast dimensions stay, slow ones are interpolated, with a ramp between those that turn beta_fast and beta_slow times
// within the original context.
void apply_yarn(const RopeConfig& rope, int head_dim, std::vector<double>& inverse) {
    auto dimension = [&](double turns) {
        double positions = double(rope.original_max_positions);
        return head_dim * std::log(positions / (turns * 2 * std::numbers::pi)) / (2 * std::log(rope.theta));
    };
    double low = dimension(rope.beta_fast), high = dimension(rope.beta_slow);
    if (rope.truncate) {
        low = std::floor(low);
        high = std::ceil(high);
    }
    low = std::max(low, 0.0);
    high = std::min(high, double(head_dim - 1));
    if (low == high) high += 0.001;  // as the reference does: no division by zero
    for (std::size_t i = 0; i < inverse.size(); i++) {
        double ramp = std::clamp((double(i) - low) / (high - low), 0.0, 1.0);
        inverse[i] = inverse[i] / rope.factor * ramp + inverse[i] * (1 - ramp);
    }
}

double yarn_attention_factor(const RopeConfig& rope) {
    auto scale = [&](double mscale) { return rope.factor <= 1 ? 1.0 : 0.1 * mscale * std::log(rope.factor) + 1.0; };
    if (rope.attention_factor) return *rope.attention_factor;
    if (rope.mscale && rope.mscale_all_dim) return scale(*rope.mscale) / scale(*rope.mscale_all_dim);
    return scale(1);
}

void apply_llama3(const RopeConfig& rope, std::vector<double>& inverse) {
    double context = double(rope.original_max_positions);
    for (double& f : inverse) {
        double turns = context * f / (2 * std::numbers::pi);  // within the original context
        double smooth = (turns - rope.low_freq_factor) / (rope.high_freq_factor - rope.low_freq_factor);
        smooth = std::clamp(smooth, 0.0, 1.0);
        f = (1 - smooth) * f / rope.factor + smooth * f;
    }
}

}  // namespace

RopeFrequencies rope_frequencies(const RopeConfig& rope, int head_dim, std::int64_t max_positions,
                                 std::int64_t seq_len) {
    bool dynamic = rope.type == RopeType::dynamic;
    double theta = dynamic ? dynamic_theta(rope, head_dim, double(max_positions), double(seq_len)) : rope.theta;
    std::vector<double> inverse = plain_frequencies(theta, head_dim);
    RopeFrequencies result;
    switch (rope.type) {
        case RopeType::standard: case RopeType::dynamic: break;
        case RopeType::linear:
            for (double& f : inverse) f /= rope.factor;
            break;
        case RopeType::yarn:
            apply_yarn(rope, head_dim, inverse);
            result.attention_factor = yarn_attention_factor(rope);
            break;
        case RopeType::llama3: apply_llama3(rope, inverse); break;
    }
    result.inverse.assign(inverse.begin(), inverse.end());
    return result;
}

void rope_table(const RopeFrequencies& frequencies, std::span<const std::int32_t> positions, float* cos, float* sin) {
    for (std::int32_t p : positions) {
        for (float f : frequencies.inverse) {
            double angle = double(p) * double(f);
            *cos++ = float(std::cos(angle) * frequencies.attention_factor);
            *sin++ = float(std::sin(angle) * frequencies.attention_factor);
        }
    }
}

}  // namespace tandem
