#include "ops/lm_head/own_loss.h"

#include "ops/lm_head/softmax_row.h"

namespace tandem {

void cross_entropy(const LossRows& r) {
    const float scale = float(r.scale);
    for (std::size_t i = 0; i < r.targets.size(); i++) {
        const std::size_t begin = i * std::size_t(r.vocab);
        float* p = r.dlogits.data() + begin;
        std::copy_n(r.logits.data() + begin, r.vocab, p);
        simd::run([&] {
            r.losses[i] = softmax_row(p, r.vocab, r.targets[i]);
            p[r.targets[i]] -= 1.0f;
            for (std::int64_t j = 0; j < r.vocab; j++) p[j] *= scale;
        });
    }
}

}  // namespace tandem
