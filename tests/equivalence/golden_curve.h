// Twelve steps through the command line against PEFT's.
#pragma once
#include <cmath>

#include "models/io/peft.h"
#include "tests/equivalence/command_line.h"

namespace tandem::test {

struct Curve {
    std::string name, model, data, type;
    std::string start = name;  // whose initial adapter
    std::filesystem::path init() const { return golden / "adapters" / start / "init"; }
    std::filesystem::path folder() const { return golden / "adapters" / name; }
    bool has_adapter() const { return type != "full"; }
    nlohmann::json read() const {
        std::filesystem::path adapters = golden / "adapters";
        std::filesystem::path file = adapters / (has_adapter() ? name + "/curve.json" : name + ".curve.json");
        return nlohmann::json::parse(bytes_of(file));
    }
};

inline const std::vector<Curve> curves{{"lora-llama2", "llama2-mha", "llama2-equal", "lora"},
                                       {"lora-llama2-ragged-accum", "llama2-mha", "llama2-ragged", "lora"},
                                       {"rslora-llama3-attention", "llama3-gqa", "llama3-equal", "lora"},
                                       {"qlora-nf4-llama2", "llama2-mha", "llama2-equal", "qlora"},
                                       {"qlora-nf4-llama3", "llama3-gqa", "llama3-equal", "qlora"},
                                       {"hqq4-llama2", "llama2-mha-hqq4", "llama2-equal", "hqq_lora", "lora-llama2"},
                                       {"hqq3-llama2", "llama2-mha-hqq3", "llama2-equal", "hqq_lora", "lora-llama2"},
                                       {"hqq2-llama2", "llama2-mha-hqq2", "llama2-equal", "hqq_lora", "lora-llama2"},
                                       {"full-llama2", "llama2-mha", "llama2-equal", "full"}};

// The curve's own batch, split between `ranks` that run on `gpus`.
inline Arguments arguments_of(const Curve& c, const nlohmann::json& curve, int ranks, const std::string& gpus) {
    Arguments a{{"model", (golden / "models" / c.model).string()},
                {"dataset", (golden / "data" / (c.data + ".jsonl")).string()},
                {"train-type", c.type},
                {"gpus", gpus},
                {"batch-size", std::to_string(curve.at("batch_size").get<int>() / ranks)},
                {"gradient-accumulation-steps", std::to_string(curve.value("gradient_accumulation_steps", 1))},
                {"lr", curve.at("lr").dump()},
                {"precision", "fp32"},
                {"shuffle", "false"},
                {"max-steps", "12"},
                {"threads", "2"}};
    if (c.has_adapter()) a = with(a, {{"init-adapter", c.init().string()}, {"lora-dropout", "0"}});
    if (curve.contains("clip") && !curve.at("clip").is_null())
        a = with(a, {{"apply-gradient-clipping", "true"}, {"grad-norm", curve.at("clip").dump()}});
    return a;
}

inline double distance(const std::vector<float>& a, const std::vector<float>& b) {
    double sum = 0;
    REQUIRE(a.size() == b.size());
    for (std::size_t i = 0; i < a.size(); i++) sum += std::pow(double(a[i]) - double(b[i]), 2);
    return std::sqrt(sum);
}

// Gradients agree within 1e-4 of their norm; AdamW's step, m / (sqrt(v) + eps), is no more sensitive than that to the
// relative error of each gradient, and twelve steps' errors at worst add up: 12e-4 of the way that a matrix went.
inline void check_final(const Adapter& trained, const Curve& c) {
    Adapter init = Adapter::open(c.init()), expected = Adapter::open(c.folder() / "final");
    REQUIRE(trained.modules() == expected.modules());
    for (const AdapterModule& m : expected.modules()) {
        CAPTURE(m.path);
        CHECK(distance(trained.a(m), expected.a(m)) <= 12e-4 * distance(init.a(m), expected.a(m)));
        CHECK(distance(trained.b(m), expected.b(m)) <= 12e-4 * distance(init.b(m), expected.b(m)));
    }
}

inline void check_curve(const Trained& t, const nlohmann::json& rows) {
    REQUIRE(t.steps.size() == rows.size());
    for (std::size_t i = 0; i < rows.size(); i++) {
        CAPTURE(i);
        double norm = rows[i].at("grad_norm");
        CHECK(std::abs(t.steps[i].loss - rows[i].at("loss").get<double>()) <= 1e-5);
        CHECK(std::abs(t.steps[i].grad_norm - norm) <= 1e-4 * norm);
        CHECK(t.steps[i].supervised == rows[i].at("supervised_tokens").get<std::int64_t>());
    }
}

inline void check_golden(const Curve& c, int ranks, const std::string& gpus, const Arguments& more = {}) {
    nlohmann::json curve = c.read();
    Scratch scratch;
    std::filesystem::path folder = scratch.path / "run";
    check_curve(train_in(folder, with(arguments_of(c, curve, ranks, gpus), more)), curve.at("rows"));
    if (c.has_adapter()) check_final(Adapter::open(folder / "adapter"), c);
}

}  // namespace tandem::test
