// `train` as the command line has it, in a folder of its own, and what it leaves there.
#pragma once
#include <doctest/doctest.h>

#include <map>
#include <nlohmann/json.hpp>

#include "tests/models/io/support.h"
#include "tools/commands.h"

namespace tandem::test {

using Arguments = std::map<std::string, std::string>;  // options without their dashes

inline Arguments with(Arguments base, const Arguments& changed) {
    for (const auto& [name, value] : changed) base[name] = value;
    return base;
}

struct Step {
    double epoch, loss, grad_norm, lr;
    std::int64_t tokens, supervised;
};

struct Trained {
    std::vector<Step> steps;
    std::string adapter;  // bytes of its safetensors file; empty: none was written
};

inline std::string bytes_of(const std::filesystem::path& file) {
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

inline Trained read_run(const std::filesystem::path& folder) {
    Trained t;
    std::ifstream metrics(folder / "metrics.jsonl");
    for (std::string line; std::getline(metrics, line);) {
        nlohmann::json j = nlohmann::json::parse(line);
        if (j.contains("eval_loss")) continue;
        REQUIRE(j.at("step") == t.steps.size() + 1);
        t.steps.push_back(
            {j.at("epoch"), j.at("loss"), j.at("grad_norm"), j.at("lr"), j.at("tokens"), j.at("supervised_tokens")});
    }
    t.adapter = bytes_of(folder / "adapter" / "adapter_model.safetensors");
    return t;
}

inline std::vector<std::string> words_of(const std::filesystem::path& folder, const Arguments& arguments) {
    std::vector<std::string> words{"--output-dir", folder.string()};
    for (const auto& [name, value] : arguments) words.insert(words.end(), {"--" + name, value});
    return words;
}

inline Trained train_in(const std::filesystem::path& folder, const Arguments& arguments) {
    CommandLine line{words_of(folder, arguments)};
    REQUIRE(train(line) == 0);
    return read_run(folder);
}

inline Trained train_once(const Arguments& arguments) {
    Scratch scratch;
    return train_in(scratch.path / "run", arguments);
}

// Bit for bit: metrics.jsonl writes numbers so that they are read back as they were.
inline void check_same(const Trained& a, const Trained& b) {
    REQUIRE(a.steps.size() == b.steps.size());
    for (std::size_t i = 0; i < a.steps.size(); i++) {
        CAPTURE(i);
        CHECK(a.steps[i].epoch == b.steps[i].epoch);
        CHECK(a.steps[i].loss == b.steps[i].loss);
        CHECK(a.steps[i].grad_norm == b.steps[i].grad_norm);
        CHECK(a.steps[i].lr == b.steps[i].lr);
        CHECK(a.steps[i].tokens == b.steps[i].tokens);
        CHECK(a.steps[i].supervised == b.steps[i].supervised);
    }
    CHECK((a.adapter == b.adapter));
    CHECK(!a.adapter.empty());
}

}  // namespace tandem::test
