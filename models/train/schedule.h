// Learning rates over the steps of a run, as fsdp_qlora has them: warm-up over the first tenth of the steps for all but
// constant, then linear to zero or a half cosine to a tenth.
#pragma once
#include <cstdint>

namespace tandem {

enum class LrSchedule { constant, linear, cosine };

// Of the step that follows `done` completed ones, in a run of `total`.
double learning_rate(LrSchedule schedule, double lr, std::int64_t done, std::int64_t total);

}  // namespace tandem
