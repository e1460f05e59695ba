// Figures that bench_gpu measured, their wanted values, and the two files that they end in.
#pragma once
#include <fmt/format.h>

#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace tandem::gpu {

double median(std::vector<double> numbers);

struct Figure {
    std::string name, unit;
    double value;
    double wanted = 0;  // 0: nothing is wanted of it
    bool most = false;  // at most `wanted`, not at least
    bool reached() const { return wanted == 0 || (most ? value <= wanted : value >= wanted); }
};

class Results {
  public:
    // FACTS.json: an object that describes card, driver, clocks.
    explicit Results(const std::string& facts_file);
    void add(const std::string& name, double value, const std::string& unit);
    // `name` in per cent of `of`, of which `wanted` are wanted.
    void share(const std::string& name, const std::string& of, double wanted);
    // NAME=METRICS.jsonl: the medians of a run's steps without the first two.
    void add_run(const std::string& run);
    // The 8B-shaped step against the product's peak, streamed runs against resident ones.
    void compare_runs();
    void write(const std::string& folder) const;

  private:
    double value(const std::string& name) const;
    std::string facts_;  // JSON
    std::vector<Figure> figures_;
    std::map<std::string, double> seconds_, tokens_per_second_;  // of runs, by name
};

}  // namespace tandem::gpu
