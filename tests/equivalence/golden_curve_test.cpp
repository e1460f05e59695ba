// Twelve steps through the command line against PEFT's, and greedy tokens against transformers'.
#include <fcntl.h>
#include <unistd.h>

#include <cmath>

#include "models/io/peft.h"
#include "tests/equivalence/command_line.h"

using namespace tandem;
using namespace tandem::test;

namespace {

struct Curve {
    std::string name, model, data, type;
    std::filesystem::path folder() const { return golden / "adapters" / name; }
    bool has_adapter() const { return type != "full"; }
    nlohmann::json read() const {
        std::filesystem::path adapters = golden / "adapters";
        std::filesystem::path file = adapters / (has_adapter() ? name + "/curve.json" : name + ".curve.json");
        return nlohmann::json::parse(bytes_of(file));
    }
};

const std::vector<Curve> curves{{"lora-llama2", "llama2-mha", "llama2-equal", "lora"},
                                {"lora-llama2-ragged-accum", "llama2-mha", "llama2-ragged", "lora"},
                                {"rslora-llama3-attention", "llama3-gqa", "llama3-equal", "lora"},
                                {"qlora-nf4-llama2", "llama2-mha", "llama2-equal", "qlora"},
                                {"qlora-nf4-llama3", "llama3-gqa", "llama3-equal", "qlora"},
                                {"full-llama2", "llama2-mha", "llama2-equal", "full"}};

// The curve's own batch, split between the ranks.
Arguments arguments_of(const Curve& c, const nlohmann::json& curve, int ranks) {
    Arguments a{{"model", (golden / "models" / c.model).string()},
                {"dataset", (golden / "data" / (c.data + ".jsonl")).string()},
                {"train-type", c.type},
                {"gpus", ranks == 1 ? "cpu" : "cpu,cpu"},
                {"batch-size", std::to_string(curve.at("batch_size").get<int>() / ranks)},
                {"gradient-accumulation-steps", std::to_string(curve.value("gradient_accumulation_steps", 1))},
                {"lr", curve.at("lr").dump()},
                {"precision", "fp32"},
                {"shuffle", "false"},
                {"max-steps", "12"},
                {"threads", "2"}};
    if (c.has_adapter()) a = with(a, {{"init-adapter", (c.folder() / "init").string()}, {"lora-dropout", "0"}});
    if (curve.contains("clip") && !curve.at("clip").is_null())
        a = with(a, {{"apply-gradient-clipping", "true"}, {"grad-norm", curve.at("clip").dump()}});
    return a;
}

double distance(const std::vector<float>& a, const std::vector<float>& b) {
    double sum = 0;
    REQUIRE(a.size() == b.size());
    for (std::size_t i = 0; i < a.size(); i++) sum += std::pow(double(a[i]) - double(b[i]), 2);
    return std::sqrt(sum);
}

// Gradients agree within 1e-4 of their norm; AdamW's step, m / (sqrt(v) + eps), is no more sensitive than that to the
// relative error of each gradient, and twelve steps' errors at worst add up: 12e-4 of the way that a matrix went.
void check_final(const Adapter& trained, const Curve& c) {
    Adapter init = Adapter::open(c.folder() / "init"), expected = Adapter::open(c.folder() / "final");
    REQUIRE(trained.modules() == expected.modules());
    for (const AdapterModule& m : expected.modules()) {
        CAPTURE(m.path);
        CHECK(distance(trained.a(m), expected.a(m)) <= 12e-4 * distance(init.a(m), expected.a(m)));
        CHECK(distance(trained.b(m), expected.b(m)) <= 12e-4 * distance(init.b(m), expected.b(m)));
    }
}

void check_curve(const Trained& t, const nlohmann::json& rows) {
    REQUIRE(t.steps.size() == rows.size());
    for (std::size_t i = 0; i < rows.size(); i++) {
        CAPTURE(i);
        double norm = rows[i].at("grad_norm");
        CHECK(std::abs(t.steps[i].loss - rows[i].at("loss").get<double>()) <= 1e-5);
        CHECK(std::abs(t.steps[i].grad_norm - norm) <= 1e-4 * norm);
        CHECK(t.steps[i].supervised == rows[i].at("supervised_tokens").get<std::int64_t>());
    }
}

// What the call prints on stdout.
template <class F> std::string printed_by(F&& call) {
    Scratch scratch;
    std::filesystem::path file = scratch.put("stdout", "");
    std::fflush(stdout);
    int to = ::open(file.c_str(), O_WRONLY), before = ::dup(STDOUT_FILENO);
    ::dup2(to, STDOUT_FILENO);
    int code = call();
    std::fflush(stdout);
    ::dup2(before, STDOUT_FILENO);
    ::close(before);
    ::close(to);
    CHECK(code == 0);
    return bytes_of(file);
}

}  // namespace

TEST_CASE("golden curve: losses, norms and the final adapter are PEFT's, at one rank and at two") {
    for (const Curve& c : curves)
        for (int ranks : {1, 2}) {
            CAPTURE(c.name);
            CAPTURE(ranks);
            nlohmann::json curve = c.read();
            Scratch scratch;
            std::filesystem::path folder = scratch.path / "run";
            check_curve(train_in(folder, arguments_of(c, curve, ranks)), curve.at("rows"));
            if (c.has_adapter()) check_final(Adapter::open(folder / "adapter"), c);
        }
}

TEST_CASE("golden curve: greedy tokens are transformers', at one rank and at two") {
    for (std::string name : {"llama2-mha", "llama3-gqa", "qwen2-bias"})
        for (std::string gpus : {"cpu", "cpu,cpu"}) {
            CAPTURE(name);
            CAPTURE(gpus);
            nlohmann::json greedy = nlohmann::json::parse(bytes_of(golden / "reference" / (name + ".greedy.json")));
            std::string prompt = greedy.at("prompt").dump();
            std::string out = printed_by([&] {
                CommandLine line{{"--model", (golden / "models" / name).string(), "--gpus", gpus, "--precision", "fp32",
                                  "--train-type", "lora", "--temperature", "0", "--ignore-eos", "--json",
                                  "--max-new-tokens", std::to_string(greedy.at("ids").size()), "--prompt-ids",
                                  prompt.substr(1, prompt.size() - 2)}};
                return generate(line);
            });
            CHECK(nlohmann::json::parse(out).at("ids") == greedy.at("ids"));
        }
}
