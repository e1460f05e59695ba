// A tiny training run through the command line, and what it must leave.
#pragma once
#include <doctest/doctest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/support/process.h"

namespace tandem::test {

inline std::filesystem::path golden(const std::string& name) { return std::filesystem::path(TANDEM_TEST_DATA) / name; }

inline const Arguments& model_and_data() {
    static const Arguments a{"--model",          golden("models/llama2-mha"),
                             "--dataset",        golden("data/llama2-ragged.jsonl"),
                             "--context-length", "64",
                             "--threads",        "2"};
    return a;
}

// Two ranks, AdamW, dropout, four samples a step.
inline Arguments training(const std::filesystem::path& output, int steps) {
    return Arguments{"train"} + model_and_data() +
           Arguments{"--dataset-samples",
                     "16",
                     "--batch-size",
                     "2",
                     "--num-epochs",
                     "1000",
                     "--max-steps",
                     std::to_string(steps),
                     "--lora-rank",
                     "2",
                     "--lora-target-modules",
                     "q_proj,down_proj",
                     "--lr",
                     "1e-2",
                     "--output-dir",
                     output.string()};
}

// Lines of metrics.jsonl without what time decides.
inline std::vector<std::string> metrics(const std::filesystem::path& output) {
    std::vector<std::string> lines;
    std::istringstream in(text_of(output / "metrics.jsonl"));
    for (std::string line; std::getline(in, line);) {
        nlohmann::json j = nlohmann::json::parse(line);
        j.erase("seconds");
        j.erase("tokens_per_second");
        lines.push_back(j.dump());
    }
    return lines;
}

// Until so many steps are written.
inline void wait_for_lines(const std::filesystem::path& output, std::size_t lines) {
    for (int i = 0; i < 20000; i++) {
        std::string text = text_of(output / "metrics.jsonl");
        if (std::size_t(std::count(text.begin(), text.end(), '\n')) >= lines) return;
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    FAIL("the run wrote no metrics");
}

inline std::string adapter(const std::filesystem::path& output) {
    return text_of(output / "adapter" / "adapter_model.safetensors");
}

// Both runs left the same losses, norms, rates and adapter, to the bit.
inline void check_same_run(const std::filesystem::path& a, const std::filesystem::path& b) {
    CHECK(metrics(a) == metrics(b));
    CHECK(!adapter(a).empty());
    CHECK((adapter(a) == adapter(b)));
    CHECK(text_of(a / "adapter" / "adapter_config.json") == text_of(b / "adapter" / "adapter_config.json"));
}

// Every file below with its bytes and its time of change.
inline std::vector<std::string> files_of(const std::filesystem::path& folder) {
    std::vector<std::string> all;
    for (const auto& e : std::filesystem::recursive_directory_iterator(folder))
        if (e.is_regular_file())
            all.push_back(e.path().string() + " " + std::to_string(e.last_write_time().time_since_epoch().count()) +
                          " " + std::to_string(std::hash<std::string>()(text_of(e.path()))));
    std::sort(all.begin(), all.end());
    return all;
}

}  // namespace tandem::test
