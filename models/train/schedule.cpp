#include "models/train/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace tandem {

double learning_rate(LrSchedule schedule, double lr, std::int64_t done, std::int64_t total) {
    if (schedule == LrSchedule::constant) return lr;
    std::int64_t warm = total / 10;
    if (done < warm) return lr * double(done) / double(std::max<std::int64_t>(1, warm));
    double rest = double(std::max<std::int64_t>(1, total - warm));
    if (schedule == LrSchedule::linear) return lr * std::max(0.0, double(total - done) / rest);
    constexpr double lowest = 0.1;
    double progress = double(done - warm) / rest;
    return lr * (lowest + (1 - lowest) * 0.5 * (1 + std::cos(std::numbers::pi * progress)));
}

}  // namespace tandem
