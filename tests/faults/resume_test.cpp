// What an earlier run left: finished, of another configuration, damaged.
#include "tests/support/model_files.h"
#include "tests/support/train_process.h"

using namespace tandem::test;
namespace fs = std::filesystem;

namespace {

const Arguments often{"--checkpoint-every", "2", "--keep", "9"};

void flip(const fs::path& file, std::size_t byte) {
    std::string text = text_of(file);
    text.at(byte) ^= 0x10;
    write_text(file, text);
}

void refused(const Exit& e, const std::string& sentence, const std::vector<std::string>& before,
             const fs::path& output) {
    CHECK(e.code == 2);
    CHECK_MESSAGE(e.says(sentence), e.err);
    CHECK_MESSAGE(e.says("--resume never or another"), e.err);
    CHECK(e.out.empty());
    CHECK(files_of(output) == before);
}

}  // namespace

TEST_CASE("resume: a finished run says so and changes nothing") {
    Scratch scratch;
    fs::path output = scratch / "run";
    REQUIRE(run(training(output, 4)).code == 0);
    std::vector<std::string> before = files_of(output);
    for (const Arguments& more : {Arguments{}, Arguments{"--threads", "1", "--prefetch", "0", "--keep", "1", "--trace",
                                                         "--world-size", "2", "--sharding-strategy", "ddp"}}) {
        Exit e = run(training(output, 4) + more);
        CHECK(e.code == 0);
        CHECK_MESSAGE(e.says("this run is finished"), e.err);
        CHECK(e.out.empty());
        CHECK(files_of(output) == before);
    }
}

TEST_CASE("resume: other options exit 2, name what differs, and change nothing") {
    Scratch scratch;
    fs::path output = scratch / "run", folder = output / "checkpoints" / "step-000004";
    REQUIRE(run(training(output, 4)).code == 0);
    std::vector<std::string> before = files_of(output);
    auto with = [&](const Arguments& more) { return run(training(output, 4) + more); };
    std::string made = folder.string() + " was made with another ";
    refused(with({"--lora-rank", "3", "--seed", "1"}), made + "--lora-rank, --seed;", before, output);
    refused(with({"--shuffle", "false"}), made + "--shuffle;", before, output);
    refused(with({"--max-steps", "3"}), made + "--max-steps;", before, output);
    refused(with({"--num-epochs", "1"}), made + "--num-epochs;", before, output);
    refused(with({"--gpus", "cpu"}), made + "--gpus (2 ranks then);", before, output);
    refused(with({"--lr", "1e-3", "--gpus", "cpu,cpu,cpu"}), made + "--lr, --gpus (2 ranks then);", before, output);
    Exit bad = run(training(output, 4) + Arguments{"--resume", output / "nothing"});
    CHECK(bad.code == 2);
    CHECK_MESSAGE(bad.says("nothing/manifest.json: No such file"), bad.err);
    CHECK(files_of(output) == before);
}

TEST_CASE("resume: max_steps may grow, and the longer run is the one that was never stopped") {
    Scratch scratch;
    REQUIRE(run(training(scratch / "whole", 9)).code == 0);
    REQUIRE(run(training(scratch / "grown", 4)).code == 0);
    REQUIRE(run(training(scratch / "grown", 9)).code == 0);
    check_same_run(scratch / "whole", scratch / "grown");
}

TEST_CASE("resume: never starts anew and sets the old checkpoints aside; a folder is taken as named") {
    Scratch scratch;
    fs::path output = scratch / "run";
    REQUIRE(run(training(output, 6) + often).code == 0);
    std::string first = adapter(output), second;
    REQUIRE(run(training(output, 6) + often + Arguments{"--resume", "never", "--seed", "7"}).code == 0);
    CHECK((adapter(output) != first));
    CHECK(metrics(output).size() == 6);
    CHECK(fs::exists(output / "checkpoints.before-1" / "step-000006" / "manifest.json"));

    fs::path old = output / "checkpoints.before-1" / "step-000004";
    REQUIRE(run(training(scratch / "on", 6) + Arguments{"--resume", old}).code == 0);
    CHECK((adapter(scratch / "on") == first));
}

TEST_CASE("resume: other base weights are refused") {
    Scratch scratch;
    copy_model(scratch / "m");
    Arguments command = training(scratch / "run", 4) + Arguments{"--model", scratch / "m"};
    REQUIRE(run(command).code == 0);
    set_bf16(scratch / "m", "model.layers.2.input_layernorm.weight", 3, 0x3f00);
    command = training(scratch / "run", 6) + Arguments{"--model", scratch / "m"};
    std::string before = adapter(scratch / "run");
    std::vector<std::string> lines = metrics(scratch / "run");
    Exit e = run(command);
    CHECK(e.code == 2);
    CHECK_MESSAGE(e.says("was made from other base weights or another config.json than"), e.err);
    CHECK((adapter(scratch / "run") == before));
    CHECK(metrics(scratch / "run") == lines);
}

TEST_CASE("resume: data of another content under the same name are refused") {
    Scratch scratch;
    fs::path output = scratch / "run", data = scratch / "data.jsonl";
    std::string text = text_of(golden("data/llama2-ragged.jsonl"));
    write_text(data, text);
    auto command = [&](int steps) { return training(output, steps) + Arguments{"--dataset", data}; };
    REQUIRE(run(command(4)).code == 0);
    const std::vector<std::string> before = files_of(output);
    const std::string first = text.substr(0, text.find('\n') + 1);
    write_text(data, text.substr(first.size()) + first);  // the same samples, in another order
    refused(run(command(6)), "was made with another content of --dataset;", before, output);
    write_text(data, text);
    CHECK(run(command(6)).says("resumed at step 4 from "));
}

TEST_CASE("resume: the same content under another name or place goes on, and other content does not") {
    Scratch scratch;
    fs::path output = scratch / "run", whole = scratch / "whole", data = scratch / "data.jsonl";
    copy_model(scratch / "m");
    copy_model(scratch / "n");
    fs::create_directory_symlink(scratch / "m", scratch / "link");
    write_text(data, text_of(golden("data/llama2-ragged.jsonl")));
    write_text(scratch / "moved.jsonl", text_of(data));
    edit_json(scratch / "n" / "config.json", [](auto&) {});  // written otherwise
    auto command = [](const fs::path& to, int steps, const Arguments& more) {
        return Arguments{"train"} + model_and_data() +
               Arguments{"--max-steps", std::to_string(steps), "--num-epochs", "9", "--lora-rank", "2", "--output-dir",
                         to} +
               more;
    };
    const Arguments first{"--model", scratch / "m", "--dataset", data};
    REQUIRE(run(command(output, 1, first)).code == 0);
    const Arguments same[] = {
        {"--model", scratch / "m" / "", "--dataset", scratch / "m" / ".." / "data.jsonl"},
        {"--model", scratch / "link", "--dataset", scratch / "moved.jsonl"},
        {"--model", scratch / "n", "--dataset", data, "--dataset-samples", "100000"},
        first + Arguments{"--lora-target-modules", "up_proj,down_proj,gate_proj,o_proj,v_proj,k_proj,q_proj,q_proj"},
        first + Arguments{"--eval-dataset", data, "--truncate", "--checkpoint-every", "1"},
    };
    int steps = 1;
    for (const Arguments& more : same) {
        Exit e = run(command(output, ++steps, more));
        CHECK_MESSAGE(e.says("resumed at step " + std::to_string(steps - 1) + " from "), e.err);
        CHECK(e.code == 0);
    }
    REQUIRE(run(command(whole, steps, first)).code == 0);
    CHECK((adapter(output) == adapter(whole)));

    fs::rename(output, scratch / "renamed");
    output = scratch / "renamed";
    const std::vector<std::string> before = files_of(output);
    for (const Arguments& more : same) CHECK(run(command(output, steps, more)).says("this run is finished"));
    edit_json(scratch / "n" / "config.json", [](auto& j) { j["rms_norm_eps"] = 1e-4; });
    Exit e = run(command(output, steps, {"--model", scratch / "n", "--dataset", data}));
    CHECK(e.code == 2);
    CHECK_MESSAGE(e.says("was made from other base weights or another config.json than"), e.err);
    for (const Arguments& more : {Arguments{"--dataset-samples", "5"}, Arguments{"--context-length", "65"},
                                  Arguments{"--lora-target-modules", "default"}, Arguments{"--max-steps", "1"}})
        refused(run(command(output, steps, first + more)), "was made with another ", before, output);
    CHECK(files_of(output) == before);
}

TEST_CASE("resume: an initial adapter is compared by its values") {
    Scratch scratch;
    fs::path output = scratch / "run";
    for (const char* name : {"a", "b", "c"}) fs::copy(golden("adapters/lora-llama2/final"), scratch / name);
    Shard shard(golden("adapters/lora-llama2/final/adapter_model.safetensors"));
    shard.data[2] ^= 1;
    fs::remove(scratch / "c" / "adapter_model.safetensors");
    shard.write(scratch / "c" / "adapter_model.safetensors");
    auto from = [&](const char* name, int steps) {
        return run(Arguments{"train"} + model_and_data() +
                   Arguments{"--max-steps", std::to_string(steps), "--train-type", "lora", "--init-adapter",
                             scratch / name, "--output-dir", output});
    };
    REQUIRE(from("a", 1).code == 0);
    CHECK(from("b", 2).says("resumed at step 1 from "));
    const std::vector<std::string> before = files_of(output);
    refused(from("c", 3), "content of --init-adapter", before, output);
}

TEST_CASE("resume: checkpoints that are all damaged are set aside, not written over") {
    Scratch scratch;
    fs::path output = scratch / "run", whole = scratch / "whole";
    REQUIRE(run(training(output, 2)).code == 0);
    flip(output / "checkpoints" / "step-000002" / "rank-0.safetensors", 2000);
    CHECK(run(training(output, 3)).says("rank-0.safetensors: damaged"));
    CHECK(fs::exists(output / "checkpoints.before-1" / "step-000002" / "rank-0.safetensors"));
    REQUIRE(run(training(whole, 3)).code == 0);
    check_same_run(whole, output);
}

TEST_CASE("resume: a finished run's checkpoint starts a folder of its own") {
    Scratch scratch;
    REQUIRE(run(training(scratch / "a", 3)).code == 0);
    const fs::path last = scratch / "a" / "checkpoints" / "step-000003";
    CHECK(run(training(scratch / "b", 3) + Arguments{"--resume", last}).says("resumed at step 3 from "));
    CHECK((adapter(scratch / "a") == adapter(scratch / "b")));
    CHECK(run(training(scratch / "b", 3)).says("this run is finished"));
}

TEST_CASE("resume: two runs do not write into one folder") {
    Scratch scratch;
    fs::path output = scratch / "run", whole = scratch / "whole";
    constexpr int steps = 40;
    REQUIRE(run(training(whole, steps)).code == 0);
    Program program(training(output, steps));
    wait_for_lines(output, 1);
    REQUIRE(program.pause());
    const std::vector<std::string> before = files_of(output);
    for (const Arguments& more : {Arguments{}, Arguments{"--resume", "never"}}) {
        Exit e = run(training(output, steps) + more);
        CHECK(e.code == 2);
        CHECK_MESSAGE(e.says(output.string() + ": another run is writing into it"), e.err);
    }
    CHECK(files_of(output) == before);
    program.send(SIGCONT);
    CHECK(program.wait().code == 0);
    check_same_run(whole, output);
}

TEST_CASE("resume: a damaged checkpoint is named and the one before it taken") {
    Scratch scratch;
    fs::path whole = scratch / "whole", output = scratch / "run";
    REQUIRE(run(training(whole, 6) + often).code == 0);
    struct Damage {
        const char* says;
        std::function<void(const fs::path&)> make;
    };
    auto cut = [](const fs::path& file) { fs::resize_file(file, fs::file_size(file) - 1); };
    const Damage damages[] = {
        {"manifest.json: No such file", [](const fs::path& f) { fs::remove(f / "manifest.json"); }},
        {"manifest is damaged", [&](const fs::path& f) { cut(f / "manifest.json"), cut(f / "manifest.json"); }},
        {"manifest is damaged", [](const fs::path& f) { write_text(f / "manifest.json", ""); }},
        {"rank-1.safetensors: missing or of another size", [&](const fs::path& f) { cut(f / "rank-1.safetensors"); }},
        {"rank-0.safetensors: missing or of another size",
         [](const fs::path& f) { fs::remove(f / "rank-0.safetensors"); }},
        {"rank-1.safetensors: damaged", [](const fs::path& f) { flip(f / "rank-1.safetensors", 2000); }},
        {"rank-0.safetensors: damaged",
         [](const fs::path& f) {  // a stale one, of another step
             fs::copy_file(f.parent_path() / "step-000004" / "rank-0.safetensors", f / "rank-0.safetensors",
                           fs::copy_options::overwrite_existing);
         }},
    };
    for (const Damage& d : damages) {
        CAPTURE(d.says);
        fs::remove_all(output);
        fs::copy(whole, output, fs::copy_options::recursive);
        d.make(output / "checkpoints" / "step-000006");
        Exit e = run(training(output, 6) + Arguments{"--checkpoint-every", "1", "--keep", "1"});
        CHECK(e.code == 0);
        CHECK_MESSAGE(e.says("skipping a checkpoint: "), e.err);
        CHECK_MESSAGE(e.says(d.says), e.err);
        CHECK_MESSAGE(e.says("resumed at step 4 from "), e.err);
        check_same_run(whole, output);
        CHECK(run(training(output, 6)).says("this run is finished"));
    }
}

TEST_CASE("resume: no bit of a manifest can flip unseen") {
    Scratch scratch;
    fs::path output = scratch / "run", manifest = output / "checkpoints" / "step-000002" / "manifest.json";
    REQUIRE(run(training(output, 2)).code == 0);
    std::string sound = text_of(manifest);
    for (std::size_t byte = 0; byte < sound.size(); byte += sound.size() / (sanitized ? 5 : 40)) {
        if (std::isspace(static_cast<unsigned char>(sound[byte]))) continue;  // layout carries nothing
        CAPTURE(byte);
        flip(manifest, byte);
        Exit e = run(training(output, 2) + Arguments{"--resume", manifest.parent_path()});
        CHECK(e.code == 2);
        CHECK_MESSAGE(e.says("manifest is damaged"), e.err);
        write_text(manifest, sound);
    }
    CHECK(run(training(output, 2)).says("this run is finished"));
}

TEST_CASE("resume: what a killed run left half-made is not in the way") {
    Scratch scratch;
    fs::path whole = scratch / "whole", output = scratch / "run";
    REQUIRE(run(training(whole, 6) + often).code == 0);
    fs::copy(whole, output, fs::copy_options::recursive);
    fs::path checkpoints = output / "checkpoints";
    fs::rename(checkpoints / "step-000006", checkpoints / "step-000006.partial");
    fs::rename(output / "adapter", output / "adapter.partial");
    write_text(output / "metrics.jsonl.partial", "{");
    write_text(output / "metrics.jsonl", text_of(output / "metrics.jsonl") + "{\"step\":7,\"lo");
    REQUIRE(run(training(output, 6) + often).code == 0);
    check_same_run(whole, output);
    CHECK(!fs::exists(checkpoints / "step-000006.partial"));
    CHECK(!fs::exists(output / "adapter.partial"));
    CHECK(!fs::exists(output / "metrics.jsonl.partial"));
}
