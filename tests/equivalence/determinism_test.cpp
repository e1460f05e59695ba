// What changes no bits: where weights are, when they come, what is kept or computed again, by how many threads, and
// whether the run was interrupted.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>

#include "tests/equivalence/command_line.h"

using namespace tandem;
using namespace tandem::test;

namespace {

// 22 samples of unequal length, 8 a step over all ranks: each epoch ends with a step of 6, whose second micro-batch is
// empty on some ranks.
Arguments arguments(const std::string& precision = "bf16") {
    return {{"model", (golden / "models/llama2-mha").string()},
            {"dataset", (golden / "data/llama2-ragged.jsonl").string()},
            {"dataset-samples", "22"},
            {"num-epochs", "2"},
            {"gpus", "cpu,cpu"},
            {"batch-size", "2"},
            {"gradient-accumulation-steps", "2"},
            {"precision", precision},
            {"lora-rank", "8"},
            {"lora-dropout", "0.1"},
            {"lr", "0.002"},
            {"lr-scheduler", "constant"},
            {"apply-gradient-clipping", "true"},
            {"threads", "2"}};
}

void check_all_same(const Arguments& base, const std::vector<Arguments>& changes) {
    Trained expected = train_once(base);
    REQUIRE(expected.steps.size() == 6);
    CHECK(expected.steps[2].tokens < expected.steps[0].tokens);
    for (const Arguments& changed : changes) {
        CAPTURE(nlohmann::json(changed).dump());
        check_same(train_once(with(base, changed)), expected);
    }
}

// A process of its own, for so long; it may be done before.
void kill_after(int milliseconds, const std::filesystem::path& folder, const Arguments& base) {
    pid_t child = ::fork();
    if (child == 0) {
        try {
            CommandLine line{words_of(folder, base)};
            ::_exit(train(line));
        } catch (...) {
            ::_exit(1);
        }
    }
    REQUIRE(child > 0);
    ::usleep(useconds_t(milliseconds) * 1000);
    ::kill(child, SIGKILL);
    int status = 0;
    ::waitpid(child, &status, 0);
    bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    CHECK((killed || (WIFEXITED(status) && WEXITSTATUS(status) == 0)));
}

}  // namespace

TEST_CASE("equivalence: sharded weights are whole weights, bit for bit") {
    std::vector<Arguments> strategies{{{"sharding-strategy", "shard_grad_op"}}, {{"sharding-strategy", "ddp"}}};
    check_all_same(arguments(), strategies);
    // An uneven split, with ranks that have no sample in the last step.
    check_all_same(with(arguments("fp32"), {{"gpus", "cpu,cpu,cpu,cpu"}, {"batch-size", "1"}}), strategies);
    // Adapters alone are trained, on dense weights.
    check_all_same(with(arguments(), {{"train-type", "lora"}}), strategies);
}

TEST_CASE("equivalence: prefetching changes no bit") {
    for (std::string strategy : {"full_shard", "shard_grad_op"})
        check_all_same(with(arguments(), {{"sharding-strategy", strategy}}),
                       {{{"prefetch", "0"}}, {{"prefetch", "2"}}, {{"prefetch", "100"}}});
}

TEST_CASE("equivalence: where frozen weights lie changes no bit, on one rank and on several") {
    for (const Arguments& ranks : {Arguments{}, Arguments{{"gpus", "cpu"}, {"batch-size", "4"}}})
        check_all_same(with(with(arguments(), ranks), {{"weights-on", "device"}}),
                       {{{"weights-on", "host"}},
                        {{"weights-on", "host"}, {"prefetch", "2"}, {"sharding-strategy", "shard_grad_op"}},
                        {{"weights-on", "host"}, {"prefetch", "0"}, {"use-gradient-checkpointing", "false"}}});
}

TEST_CASE("equivalence: a block that is computed again gives what one that was kept gives, bit for bit") {
    for (std::string precision : {"bf16", "fp32"})
        check_all_same(arguments(precision),
                       {{{"use-gradient-checkpointing", "false"}},
                        {{"use-gradient-checkpointing", "false"}, {"sharding-strategy", "ddp"}, {"prefetch", "0"}}});
}

TEST_CASE("equivalence: in HQQ of any width, what changes no bit for other weights changes none") {
    for (std::string bits : {"8", "4", "3", "2", "1"})
        check_all_same(with(arguments(), {{"train-type", "hqq_lora"}, {"n-bits", bits}}),
                       {{{"sharding-strategy", "shard_grad_op"}, {"prefetch", "2"}},
                        {{"sharding-strategy", "ddp"}, {"threads", "3"}},
                        {{"use-gradient-checkpointing", "false"}, {"prefetch", "0"}}});
}

TEST_CASE("equivalence: the number of threads changes no bit") {
    for (std::string precision : {"bf16", "fp32"})
        check_all_same(arguments(precision), {{{"threads", "1"}}, {{"threads", "3"}}, {{"threads", "7"}}});
}

TEST_CASE("equivalence: a run that goes on from a checkpoint is an uninterrupted one, bit for bit") {
    for (const Arguments& kind : {Arguments{}, Arguments{{"optimizer", "sgd"}},
                                  Arguments{{"train-type", "hqq_lora"}, {"n-bits", "3"}}}) {
        Arguments base = with(with(arguments(), kind), {{"checkpoint-every", "1"}, {"keep", "1"}});
        Trained expected = train_once(base);
        Scratch scratch;
        std::filesystem::path folder = scratch.path / "run";
        // Within an epoch, at its end, after it; what changes no bits may change on the way.
        std::vector<Arguments> parts{{{"max-steps", "1"}},
                                     {{"max-steps", "3"}, {"prefetch", "0"}, {"threads", "1"}},
                                     {{"max-steps", "4"}, {"sharding-strategy", "ddp"}},
                                     {{"max-steps", "6"}, {"use-gradient-checkpointing", "false"}}};
        for (const Arguments& part : parts)
            CHECK(train_in(folder, with(base, part)).steps.size() == std::stoul(part.at("max-steps")));
        check_same(read_run(folder), expected);
    }
}

TEST_CASE("equivalence: a run that is killed at any moment and started again is an uninterrupted one, bit for bit") {
    Arguments base = with(arguments(), {{"checkpoint-every", "1"}});
    Trained expected = train_once(base);
    for (int milliseconds : {20, 60, 90, 130}) {
        CAPTURE(milliseconds);
        Scratch scratch;
        for (int kills = 0; kills < 3; kills++) kill_after(milliseconds + 7 * kills, scratch.path / "run", base);
        check_same(train_in(scratch.path / "run", base), expected);
    }
}

TEST_CASE("equivalence: the runs compared here do drop, accumulate and clip") {
    Trained expected = train_once(arguments());
    REQUIRE(expected.steps.size() == 6);
    for (const Arguments& changed : {Arguments{{"lora-dropout", "0"}}, Arguments{{"gradient-accumulation-steps", "1"}},
                                     Arguments{{"grad-norm", "100"}}, Arguments{{"seed", "43"}}}) {
        CAPTURE(nlohmann::json(changed).dump());
        CHECK((train_once(with(arguments(), changed)).adapter != expected.adapter));
    }
}

// Rounding in another order: each partial sum in fp32 (6e-8), a few hundred of them, six steps of it.
TEST_CASE("equivalence: any number of ranks gives the same on the same global batch, within rounding") {
    Trained two = train_once(arguments("fp32"));
    const std::vector<Arguments> others{{{"gpus", "cpu"}, {"batch-size", "4"}},
                                        {{"gpus", "cpu,cpu,cpu,cpu"}, {"batch-size", "1"}},
                                        {{"gpus", "cpu"}, {"batch-size", "2"}, {"gradient-accumulation-steps", "4"}}};
    for (const Arguments& changed : others) {
        CAPTURE(nlohmann::json(changed).dump());
        Trained other = train_once(with(arguments("fp32"), changed));
        REQUIRE(other.steps.size() == two.steps.size());
        for (std::size_t i = 0; i < two.steps.size(); i++) {
            CAPTURE(i);
            CHECK(std::abs(other.steps[i].loss - two.steps[i].loss) <= 1e-5);
            CHECK(std::abs(other.steps[i].grad_norm - two.steps[i].grad_norm) <= 1e-4 * two.steps[i].grad_norm);
            CHECK(other.steps[i].supervised == two.steps[i].supervised);
        }
    }
}
