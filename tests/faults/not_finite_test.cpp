// NaN and infinity: skipped on every rank, named, never saved.
#include <cmath>
#include <cstring>

#include "tests/support/model_files.h"
#include "tests/support/train_process.h"

using namespace tandem::test;
namespace fs = std::filesystem;

namespace {

const char* const spoilt = "model.layers.1.mlp.up_proj.weight";

Arguments lora(const fs::path& model, const fs::path& output) {
    return training(output, 8) + Arguments{"--model", model, "--train-type", "lora", "--checkpoint-every", "1"};
}

}  // namespace

TEST_CASE("not finite: a weight that overflows ends the run after five steps that every rank skips") {
    Scratch scratch;
    copy_model(scratch / "m");
    set_bf16(scratch / "m", spoilt, 5, 0x7f7f);  // 3.4e38
    Exit e = run(lora(scratch / "m", scratch / "run"));
    CHECK(e.code == 1);
    for (int step = 1; step <= 5; step++)
        CHECK_MESSAGE(e.says("step " + std::to_string(step) +
                             ": the loss (the first bad output is that of layer 1) is not finite"),
                      e.err);
    CHECK(e.says("the step is skipped on every rank"));
    CHECK_MESSAGE(e.says("is not finite, as in the 4 steps before; lower --lr or look at the data"), e.err);
    CHECK(metrics(scratch / "run").size() == 4);  // the fifth aborts
    CHECK(!fs::exists(scratch / "run" / "checkpoints"));
    CHECK(!fs::exists(scratch / "run" / "adapter"));
}

TEST_CASE("not finite: a weight that is NaN or infinite is refused by the tensor's name, quantized or not") {
    Scratch scratch;
    copy_model(scratch / "m");
    for (int bits : {0x7fc0, 0x7f80, 0xff80}) {  // NaN, infinity, -infinity
        set_bf16(scratch / "m", spoilt, 5, bits);
        for (const char* type : {"qlora", "lora"}) {
            Arguments model{"--model", scratch / "m", "--train-type", type};
            for (const Arguments& command :
                 {training(scratch / "run", 2), Arguments{"eval"} + model_and_data(),
                  Arguments{"generate", "--prompt-ids", "1,2", "--context-length", "16", "--threads", "2"}}) {
                Exit e = run(command + model);
                CHECK(e.code == 2);
                CHECK_MESSAGE(e.says(std::string(spoilt) + " holds NaN or infinity; get a sound copy of the model"),
                              e.err);
                CHECK(e.out.empty());
            }
            CHECK(!fs::exists(scratch / "run" / "checkpoints"));
            CHECK(!fs::exists(scratch / "run" / "adapter"));
            fs::remove_all(scratch / "run");
        }
    }
}

TEST_CASE("not finite: so is an adapter's") {
    Scratch scratch;
    const std::string module = "base_model.model.model.layers.1.mlp.up_proj.";
    for (const char* part : {"lora_A.weight", "lora_B.weight"})
        for (float bad : {HUGE_VALF, std::nanf("")}) {
            fs::remove_all(scratch / "a");
            fs::copy(golden("adapters/lora-llama2/final"), scratch / "a");
            fs::path file = scratch / "a" / "adapter_model.safetensors";
            fs::permissions(file, fs::perms::owner_write, fs::perm_options::add);
            Shard shard(file);
            std::size_t end = shard.header[module + part]["data_offsets"][1];
            REQUIRE(shard.header[module + part]["dtype"] == "F32");
            std::memcpy(shard.data.data() + end - sizeof(bad), &bad, sizeof(bad));
            shard.write(file);
            Arguments plain{"--output-dir", scratch / "run", "--max-steps", "2", "--init-adapter", scratch / "a"};
            Arguments prompt{"generate", "--model", golden("models/llama2-mha"), "--prompt-ids", "1", "--adapter",
                             scratch / "a"};
            for (const Arguments& command :
                 {Arguments{"train"} + model_and_data() + plain,
                  Arguments{"eval"} + model_and_data() + Arguments{"--adapter", scratch / "a"}, prompt}) {
                Exit e = run(command);
                CHECK(e.code == 2);
                CHECK_MESSAGE(e.says(std::string("model.layers.1.mlp.up_proj.") + part + " holds NaN or infinity"),
                              e.err);
                CHECK(e.says("adapter_model.safetensors: "));
                CHECK(e.out.empty());
            }
            CHECK(!fs::exists(scratch / "run" / "adapter"));
        }
}

TEST_CASE("not finite: eval and generate that meet it exit 1 and name the first bad layer, on any number of ranks") {
    struct Case {
        std::string norm;  // and what follows it
        const char* layer;
    };
    for (const Case& c : {Case{"model.layers.0.input_layernorm.weight", "layer 0"},
                          {"model.layers.1.post_attention_layernorm.weight", "layer 1"},
                          {"model.layers.3.post_attention_layernorm.weight", "layer 3"},
                          {"model.norm.weight", "the head"}}) {
        Scratch scratch;
        copy_model(scratch / "m");
        for (std::size_t i = 0; i < 64; i++) {  // finite, but products are not
            set_bf16(scratch / "m", c.norm, i, 0x7149);  // 1e30
            set_bf16(scratch / "m", "lm_head.weight", i, 0x7f7f);
        }
        for (const char* ranks : {"cpu", "cpu,cpu"})
            for (const char* precision : {"bf16", "fp32"}) {
                Arguments model{"--model", scratch / "m", "--gpus", ranks, "--precision", precision, "--train-type",
                                "lora", "--json"};
                Exit e = run(Arguments{"eval"} + model_and_data() + model);
                CHECK(e.code == 1);
                CHECK(e.out.empty());
                CHECK_MESSAGE(e.says(std::string("first bad output is that of ") + c.layer), e.err);
                e = run(Arguments{"generate", "--prompt-ids", "5,6,7", "--temperature", "0.8"} + model);
                CHECK(e.code == 1);
                CHECK(e.out.empty());
                CHECK_MESSAGE(e.says(std::string("first bad output is that of ") + c.layer), e.err);
            }
    }
}

TEST_CASE("not finite: an update that ruins the model is not saved over the last sound one") {
    Scratch scratch;
    fs::path output = scratch / "run";
    Arguments wild{"--checkpoint-every", "1", "--lr", "1e30", "--keep", "9"};
    Exit e = run(training(output, 20) + wild);
    CHECK(e.code == 1);
    std::vector<std::string> lines = metrics(output);
    REQUIRE(lines.size() > 4);
    std::size_t sound = lines.size() - 4;
    for (std::size_t i = 0; i < lines.size(); i++)
        CHECK((lines[i].find("\"loss\":null") != std::string::npos) == (i >= sound));
    std::size_t saved = 0;
    for (const auto& folder : fs::directory_iterator(output / "checkpoints")) saved += fs::is_directory(folder);
    CHECK(saved == sound);
    Exit again = run(training(output, 20) + wild);  // the checkpoint loads, and the same follows
    CHECK(again.code == 1);
    CHECK_MESSAGE(again.says("resumed at step " + std::to_string(sound) + " from "), again.err);
    CHECK(metrics(output) == lines);
}

TEST_CASE("not finite: a run that ends within a streak saves the state before it and says of which step") {
    Scratch scratch;
    Arguments wild{"--lr", "1e30", "--keep", "9"};
    REQUIRE(run(training(scratch / "whole", 20) + wild).code == 1);
    const int sound = int(metrics(scratch / "whole").size()) - 4;
    REQUIRE(sound > 0);
    const fs::path last = "checkpoints/step-00000" + std::to_string(sound);
    CHECK(fs::exists(scratch / "whole" / last));  // saved before the run gave up, with no --checkpoint-every
    CHECK(!fs::exists(scratch / "whole" / "adapter"));

    fs::path output = scratch / "run";
    for (int bad : {1, 2}) {
        CAPTURE(bad);
        Exit e = run(training(output, sound + bad) + wild);
        CHECK(e.code == 0);
        CHECK_MESSAGE(e.says("what is saved is of step " + std::to_string(sound) + ": the " +
                             (bad == 1 ? "step" : "2 steps") + " after it changed nothing"),
                      e.err);
        CHECK(fs::exists(output / last));
        CHECK(!adapter(output).empty());
        CHECK(metrics(output).size() == std::size_t(sound + bad));
    }
    Exit longer = run(training(output, 20) + wild);  // the streak counts as if it had not been interrupted
    CHECK(longer.code == 1);
    CHECK(metrics(output) == metrics(scratch / "whole"));
}

TEST_CASE("not finite: a signal within a streak saves the state before it and says of which step") {
    Scratch scratch;
    Arguments wild{"--lr", "1e30", "--gradient-accumulation-steps", "4", "--precision", "fp32"};
    REQUIRE(run(training(scratch / "whole", 20) + wild).code == 1);
    const std::size_t sound = metrics(scratch / "whole").size() - 4;
    bool in_time = false;
    for (int attempt = 0; attempt < 9 && !in_time; attempt++) {
        fs::path output = scratch / std::to_string(attempt);
        Program program(training(output, 20) + wild);
        wait_for_lines(output, sound + 1);
        if (!program.pause() || metrics(output).size() > sound + 3) continue;  // too late: the next step gives up
        in_time = true;
        program.send(SIGTERM);
        program.send(SIGCONT);
        Exit e = program.wait();
        CHECK_MESSAGE(e.code == 0, e.err);
        CHECK_MESSAGE(e.says("the same command goes on from step " + std::to_string(sound)), e.err);
        CHECK_MESSAGE(e.says("what is saved is of step " + std::to_string(sound) + ": the "), e.err);
        CHECK(!adapter(output).empty());
    }
    CHECK(in_time);
}

TEST_CASE("not finite: without one applied update there is no result") {
    Scratch scratch;
    copy_model(scratch / "m");
    set_bf16(scratch / "m", "model.norm.weight", 5, 0x7f7f);  // finite, and its products are not
    for (int steps : {1, 3}) {
        fs::path output = scratch / std::to_string(steps);
        Exit e = run(training(output, steps) + Arguments{"--model", scratch / "m", "--train-type", "lora"});
        CHECK(e.code == 1);
        CHECK_MESSAGE(e.says("changed a weight: every loss or gradient was not finite"), e.err);
        CHECK(!fs::exists(output / "adapter"));
        CHECK(!fs::exists(output / "checkpoints"));
        CHECK(!fs::exists(output / "result.json"));
    }
}

TEST_CASE("not finite: weights that the last update ruined are neither checkpoint nor result") {
    Scratch scratch;
    Exit e = run(training(scratch / "run", 1) + Arguments{"--lr", "1e300"});
    CHECK(e.code == 1);
    CHECK_MESSAGE(e.says("hold NaN or infinity after the last update and are not saved"), e.err);
    CHECK(!fs::exists(scratch / "run" / "adapter"));
    CHECK(!fs::exists(scratch / "run" / "checkpoints" / "step-000001"));
}

TEST_CASE("not finite: an evaluation in training that meets it is said and left out") {
    Scratch scratch;
    Exit e = run(training(scratch / "run", 20) + Arguments{"--lr", "1e30", "--eval-every", "1", "--eval-dataset",
                                                           golden("data/llama2-ragged.jsonl")});
    CHECK(e.code == 1);  // the steps after it are skipped
    CHECK_MESSAGE(e.says("the evaluation loss is not finite and is left out"), e.err);
    for (const std::string& line : metrics(scratch / "run"))
        CHECK_MESSAGE(line.find("\"eval_loss\":null") == std::string::npos, line);
}
