// metrics.jsonl: an object per optimizer step and per evaluation. Numbers round-trip exactly.
#pragma once
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>

#include "runtime/error.h"

namespace tandem {

struct StepMetrics {
    std::int64_t step;
    double epoch, loss, grad_norm, lr;
    std::int64_t tokens, supervised_tokens;
    double seconds;
};

class Metrics {
  public:
    // Cuts an older file to the lines of steps up to `step`, so that no step is missing or twice.
    Metrics(const std::filesystem::path& file, std::int64_t step);
    void add(const StepMetrics& m);
    void add_evaluation(std::int64_t step, double loss);

  private:
    void line(const std::string& text);
    std::filesystem::path path_;
    std::ofstream out_;
};

}  // namespace tandem
