// Twelve steps through the command line against PEFT's, and greedy tokens against transformers'.
#include "tests/equivalence/golden_curve.h"

#include <fcntl.h>
#include <unistd.h>

using namespace tandem;
using namespace tandem::test;

namespace {

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
            check_golden(c, ranks, ranks == 1 ? "cpu" : "cpu,cpu");
        }
}

TEST_CASE("golden curve: PEFT's with HQQ, by every strategy, streamed and recomputed or not") {
    for (const Curve& c : curves) {
        if (c.type != "hqq_lora") continue;
        for (const char* strategy : {"full_shard", "shard_grad_op", "ddp"})
            for (const char* recomputed : {"true", "false"}) {
                CAPTURE(c.name);
                CAPTURE(strategy);
                check_golden(c, 2, "cpu,cpu",
                             {{"sharding-strategy", strategy}, {"use-gradient-checkpointing", recomputed}});
            }
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
