// On cards: PEFT's curves, and what changes no bits. In builds with CUDA only, on the cards that there are.
#include "runtime/cuda/cards.h"

#include "runtime/build.h"
#include "tests/equivalence/golden_curve.h"

using namespace tandem;
using namespace tandem::test;

namespace {

int card_count() {
    if constexpr (build::has_cuda) return int(cards().size());
    return 0;
}

bool skipped() {
    if (card_count() > 0) return false;
    if (build::has_cuda) MESSAGE("SKIPPED: no card here");
    return true;
}

struct CardSetup {
    int ranks;
    std::string gpus;
    Arguments more;
};

// Every valid pair of transport and place of the weights.
std::vector<CardSetup> card_setups() {
    std::vector<CardSetup> all{{1, "0", {}}};
    for (std::string weights : {"device", "mirror"}) {
        all.push_back({2, "0,0", {{"transport", "peer"}, {"weights-on", weights}}});
        if (card_count() < 2) continue;
        for (std::string transport : {"peer", "nccl"})
            all.push_back({2, "0,1", {{"transport", transport}, {"weights-on", weights}}});
    }
    return all;
}

Arguments arguments(const std::string& gpus) {
    return {{"model", (golden / "models/llama2-mha").string()},
            {"dataset", (golden / "data/llama2-ragged.jsonl").string()},
            {"dataset-samples", "14"},
            {"gpus", gpus},
            {"batch-size", "2"},
            {"gradient-accumulation-steps", "2"},
            {"lora-rank", "8"},
            {"lora-dropout", "0.1"},
            {"lr", "0.002"},
            {"apply-gradient-clipping", "true"}};
}

void check_all_same(const Arguments& base, const std::vector<Arguments>& changes) {
    Trained expected = train_once(base);
    REQUIRE(expected.steps.size() == 2);
    for (const Arguments& changed : changes) {
        CAPTURE(nlohmann::json(changed).dump());
        check_same(train_once(with(base, changed)), expected);
    }
}

std::vector<std::string> pairs() {
    return card_count() > 1 ? std::vector<std::string>{"0,0", "0,1"} : std::vector<std::string>{"0,0"};
}

}  // namespace

// On one card, and on the others in turn: that they all give the same bits is tested below.
TEST_CASE("cards: losses, norms and the final adapter are PEFT's, on every transport and place of weights") {
    if (skipped()) return;
    const std::vector<CardSetup> all = card_setups();
    std::size_t turn = 0;
    for (const Curve& c : curves)
        for (const CardSetup& setup : {all[0], all[1 + turn++ % (all.size() - 1)]}) {
            CAPTURE(c.name);
            CAPTURE(setup.gpus);
            CAPTURE(nlohmann::json(setup.more).dump());
            check_golden(c, setup.ranks, setup.gpus, setup.more);
        }
}

TEST_CASE("cards: where weights are, when they come and what is kept changes no bit") {
    if (skipped()) return;
    std::vector<Arguments> changes{{{"sharding-strategy", "shard_grad_op"}},
                                   {{"sharding-strategy", "ddp"}},
                                   {{"weights-on", "mirror"}},
                                   {{"weights-on", "host"}},
                                   {{"activations-on", "host"}},
                                   {{"activations-on", "host"}, {"weights-on", "mirror"}, {"prefetch", "0"}},
                                   {{"activations-on", "host"}, {"weights-on", "host"}, {"prefetch", "2"}},
                                   {{"prefetch", "0"}},
                                   {{"prefetch", "2"}},
                                   {{"use-gradient-checkpointing", "false"}}};
    for (const std::string& gpus : pairs()) {
        CAPTURE(gpus);
        check_all_same(arguments(gpus), changes);
    }
    check_all_same(with(arguments(pairs().back()), {{"precision", "fp32"}}),
                   {{{"sharding-strategy", "ddp"}},
                    {{"activations-on", "host"}, {"weights-on", "host"}, {"prefetch", "2"}},
                    {{"use-gradient-checkpointing", "false"}, {"weights-on", "mirror"}, {"prefetch", "0"}}});
}

TEST_CASE("cards: one rank whose weights and activations lie on the host is one that has them, bit for bit") {
    if (skipped()) return;
    check_all_same(with(arguments("0"), {{"batch-size", "4"}}),
                   {{{"weights-on", "host"}}, {{"weights-on", "host"}, {"activations-on", "host"}}});
}

TEST_CASE("cards: in HQQ, whose codes are read or decoded into tiles, nothing of this changes a bit either") {
    if (skipped()) return;
    for (std::string bits : {"4", "3"}) {
        CAPTURE(bits);
        check_all_same(with(arguments(pairs().back()), {{"train-type", "hqq_lora"}, {"n-bits", bits}}),
                       {{{"sharding-strategy", "ddp"}},
                        {{"weights-on", "mirror"}, {"prefetch", "0"}},
                        {{"prefetch", "2"}, {"use-gradient-checkpointing", "false"}}});
    }
}

TEST_CASE("cards: two cards are two ranks on one, and nccl is peer, bit for bit") {
    if (skipped()) return;
    if (card_count() < 2) {
        MESSAGE("SKIPPED: one card here");
        return;
    }
    for (std::string precision : {"bf16", "fp32"})
        check_all_same(with(arguments("0,1"), {{"precision", precision}}),
                       {{{"gpus", "0,0"}}, {{"transport", "nccl"}}, {{"transport", "nccl"}, {"weights-on", "mirror"}}});
}

TEST_CASE("cards: a run that goes on from a checkpoint is an uninterrupted one, bit for bit") {
    if (skipped()) return;
    for (const std::string& gpus : pairs()) {
        Arguments base = with(arguments(gpus), {{"checkpoint-every", "1"}});
        Trained expected = train_once(base);
        Scratch scratch;
        train_in(scratch.path / "run", with(base, {{"max-steps", "1"}}));
        check_same(train_in(scratch.path / "run", with(base, {{"weights-on", "mirror"}})), expected);
    }
}
