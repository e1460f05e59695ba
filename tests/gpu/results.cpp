#include "tests/gpu/results.h"

#include <fmt/core.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

#include "runtime/error.h"

namespace tandem::gpu {

using nlohmann::json;

namespace {

// Of a frozen Llama-3-8B in 2048 tokens: each weight of a product is used by a multiplication and an addition forward,
// and again for the gradient of its input; attention's two products forward and five backward, half of them masked.
// What is computed again is not counted.
constexpr double weights_8b = 32 * (4096.0 * 4096 * 2 + 4096.0 * 1024 * 2 + 3 * 4096.0 * 14336) + 128256 * 4096.0;
constexpr double flops_per_token_8b = 4 * weights_8b + 7 * 32 * 2048.0 * 4096;

std::string read(const std::string& file) {
    std::ifstream in(file, std::ios::binary);
    if (!in) throw InputError(fmt::format("{} cannot be read", file));
    return {std::istreambuf_iterator<char>(in), {}};
}

std::ofstream open(const std::string& file) {
    std::ofstream out(file);
    out.exceptions(std::ios::failbit | std::ios::badbit);
    return out;
}

}  // namespace

double median(std::vector<double> numbers) {
    if (numbers.empty()) throw InputError("no measurements to take the median of");
    auto middle = numbers.begin() + std::ptrdiff_t(numbers.size() / 2);
    std::nth_element(numbers.begin(), middle, numbers.end());
    return *middle;
}

Results::Results(const std::string& facts_file) : facts_(read(facts_file)) {
    if (!json::accept(facts_)) throw InputError(fmt::format("{} is no JSON", facts_file));
}

void Results::add(const std::string& name, double value, const std::string& unit) {
    figures_.push_back({name, unit, value});
    fmt::print("{:<32} {:10.3g} {}\n", name, value, unit);
    std::fflush(stdout);
}

double Results::value(const std::string& name) const {
    for (const Figure& f : figures_)
        if (f.name == name) return f.value;
    throw Error(fmt::format("no figure '{}' was measured", name));
}

void Results::share(const std::string& name, const std::string& of, double wanted) {
    add(fmt::format("{}, share of {}", name, of), 100 * value(name) / value(of), "%");
    figures_.back().wanted = wanted;
}

void Results::add_run(const std::string& run) {
    const std::size_t equals = run.find('=');
    if (equals == std::string::npos) throw InputError(fmt::format("expected NAME=METRICS.jsonl, got {}", run));
    const std::string name = run.substr(0, equals);
    std::vector<double> seconds, rates;
    std::ifstream lines(run.substr(equals + 1));
    for (std::string line; std::getline(lines, line);) {
        const json j = json::parse(line);
        if (!j.contains("tokens_per_second") || j.at("step") <= 2) continue;
        seconds.push_back(j.at("seconds"));
        rates.push_back(j.at("tokens_per_second"));
    }
    seconds_[name] = median(seconds);
    tokens_per_second_[name] = median(rates);
    add("step " + name, tokens_per_second_[name], "tokens/s");
}

void Results::compare_runs() {
    if (auto run = tokens_per_second_.find("llama3-8b"); run != tokens_per_second_.end()) {
        add("step llama3-8b in FLOP/s", run->second * flops_per_token_8b / 1e12, "TFLOP/s");
        share("step llama3-8b in FLOP/s", "matmul", 60);
    }
    auto resident = seconds_.find("resident");
    if (resident == seconds_.end()) return;
    for (const auto& [name, seconds] : seconds_) {
        if (!name.starts_with("streamed")) continue;
        add(name + " / resident", seconds / resident->second, "x");
        figures_.back().wanted = 1.05;
        figures_.back().most = true;
    }
}

void Results::write(const std::string& folder) const {
    json all{{"machine", json::parse(facts_)}, {"figures", json::array()}};
    std::ofstream summary = open(folder + "/RESULTS.md");
    summary << "# Measured on a card\n\nWritten by `tests/run --gpu`.\n\n";
    for (const auto& [what, fact] : all["machine"].items())
        summary << fmt::format("- {}: {}\n", what, fact.is_string() ? fact.get<std::string>() : fact.dump());
    summary << "\n| figure | measured | wanted | |\n|---|---|---|---|\n";
    for (const Figure& f : figures_) {
        json j{{"name", f.name}, {"value", f.value}, {"unit", f.unit}};
        std::string wanted;
        if (f.wanted != 0) {
            j[f.most ? "at_most" : "at_least"] = f.wanted;
            wanted = fmt::format("{} {:g}", f.most ? "at most" : "at least", f.wanted);
        }
        summary << fmt::format("| {} | {:.4g} {} | {} | {} |\n", f.name, f.value, f.unit, wanted,
                               f.reached() ? "" : "missed");
        all["figures"].push_back(std::move(j));
    }
    open(folder + "/results.json") << all.dump(2) << "\n";
}

}  // namespace tandem::gpu
