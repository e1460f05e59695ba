// metrics.jsonl: an object per optimizer step and per evaluation. Numbers round-trip exactly.
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace tandem {

struct StepMetrics {
    std::int64_t step;
    double epoch, loss, grad_norm, lr;
    std::int64_t tokens, supervised_tokens;
    double seconds;
};

class Metrics {
  public:
    // Cuts an older file to the lines of steps up to `step` and adds those of `unwritten`, an earlier run's: so no step
    // is missing or twice.
    Metrics(const std::filesystem::path& file, std::int64_t step, const std::vector<std::string>& unwritten);
    ~Metrics();
    Metrics(const Metrics&) = delete;
    void add(const StepMetrics& m);
    void add_evaluation(std::int64_t step, double loss);

    std::int64_t last_evaluation() const { return last_evaluation_; }  // step; -1: none
    // The lines that the file would not take (the disk is full): the run is to save what it has and to end.
    const std::vector<std::string>& unwritten() const { return unwritten_; }

  private:
    void line(const std::string& text);
    int file_ = -1;  // descriptor
    std::int64_t last_evaluation_ = -1;
    std::vector<std::string> unwritten_;
};

}  // namespace tandem
