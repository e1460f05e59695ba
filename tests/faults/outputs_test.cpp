// What the end of a run needs is checked at its start: nothing of the user's is written over, nothing is lost because
// it cannot be saved.
#include <sys/mount.h>
#include <sys/resource.h>

#include <csignal>
#include <cstdio>

#include "tests/support/model_files.h"
#include "tests/support/train_process.h"

using namespace tandem::test;
namespace fs = std::filesystem;

namespace {

// Exit 2 with this in the message, and not a byte of what is in `folder` changed.
void refused(const Exit& e, const std::string& sentence, const fs::path& folder,
             const std::vector<std::string>& before) {
    CHECK_MESSAGE(e.code == 2, e.err);
    CHECK_MESSAGE(e.says(sentence), e.err);
    CHECK(files_of(folder) == before);
}

void copy_folder(const fs::path& from, const fs::path& to) {
    fs::create_directories(to.parent_path());
    fs::copy(from, to, fs::copy_options::recursive);
}

void put(const fs::path& file, const std::string& text = "mine") {
    fs::create_directories(file.parent_path());
    write_text(file, text);
}

const fs::path user_adapter = golden("adapters/lora-llama2/final");

}  // namespace

TEST_CASE("outputs: what is the user's and in the way is named, and nothing is written") {
    struct Case {
        const char* names;
        std::function<void(const fs::path&)> make;
    };
    const Case cases[] = {
        {"run/adapter is", [](const fs::path& o) { put(o / "adapter" / "notes.txt"); }},
        {"run/adapter is", [](const fs::path& o) { put(o / "adapter"); }},
        {"run/adapter is", [](const fs::path& o) { copy_folder(user_adapter, o / "adapter"); }},
        {"run/adapter is",
         [](const fs::path& o) { fs::create_directory_symlink(user_adapter, o / "adapter"); }},
        {"run/adapter.partial is", [](const fs::path& o) { put(o / "adapter.partial" / "adapter_config.json"); }},
        {"run/adapter.old is", [](const fs::path& o) { put(o / "adapter.old"); }},
        {"run/checkpoints is", [](const fs::path& o) { put(o / "checkpoints"); }},
        {"run/checkpoints is", [](const fs::path& o) { fs::create_symlink("nowhere", o / "checkpoints"); }},
        {"checkpoints/step-000001/notes.txt is",
         [](const fs::path& o) { put(o / "checkpoints" / "step-000001" / "notes.txt"); }},
        {"checkpoints/step-000002.partial is",
         [](const fs::path& o) { put(o / "checkpoints" / "step-000002.partial"); }},
        {"run/config.json is", [](const fs::path& o) { fs::create_directory(o / "config.json"); }},
        {"run/config.json is",
         [](const fs::path& o) { fs::copy_file(golden("models/llama2-mha/config.json"), o / "config.json"); }},
        {"run/config.json.partial is", [](const fs::path& o) { put(o / "config.json.partial"); }},
        {"run/metrics.jsonl is", [](const fs::path& o) { put(o / "metrics.jsonl"); }},
        {"run/metrics.jsonl is", [](const fs::path& o) { fs::create_directory(o / "metrics.jsonl"); }},
        {"run/metrics.jsonl is", [](const fs::path& o) { fs::create_symlink("elsewhere", o / "metrics.jsonl"); }},
        {"run/result.json is", [](const fs::path& o) { put(o / "result.json", "{\"f1\": 0.5}"); }},
        {"run/trace.json is", [](const fs::path& o) { put(o / "trace.json", "{}"); }},
    };
    for (const Case& c : cases) {
        CAPTURE(c.names);
        Scratch scratch;
        fs::path output = scratch / "run";
        fs::create_directory(output);
        c.make(output);
        const std::vector<std::string> before = files_of(output);
        refused(run(training(output, 2) + Arguments{"--trace"}), std::string(c.names) + " in the way", output, before);
    }
    Scratch scratch;
    write_text(scratch / "run", "mine");
    Exit e = run(training(scratch / "run", 2));
    CHECK(e.code == 2);
    CHECK_MESSAGE(e.says("run is in the way: it is no folder"), e.err);
}

TEST_CASE("outputs: what the user put beside or into a run's folder stays") {
    Scratch scratch;
    fs::path output = scratch / "run";
    put(output / "notes.txt");
    put(output / "checkpoints" / "notes.txt");
    put(output / "checkpoints" / "step-by-step.txt");
    REQUIRE(run(training(output, 2)).code == 0);
    put(output / "adapter" / "README.md");
    CHECK(run(training(output, 2)).says("this run is finished"));
    std::vector<std::string> before = files_of(output);
    refused(run(training(output, 3)), "adapter/README.md is in the way", output, before);
    fs::remove(output / "adapter" / "README.md");
    REQUIRE(run(training(output, 3)).code == 0);
    for (const char* name : {"notes.txt", "checkpoints/notes.txt", "checkpoints/step-by-step.txt"})
        CHECK(text_of(output / name) == "mine");
}

TEST_CASE("outputs: no written path is, holds or lies in what is read") {
    Scratch scratch;
    copy_model(scratch / "m");
    fs::path data = golden("data/llama2-ragged.jsonl");
    fs::create_directory_symlink(scratch / "m", scratch / "link");
    copy_folder(user_adapter, scratch / "init" / "adapter");
    copy_folder(user_adapter, scratch / "init2" / "checkpoints" / "mine");
    fs::create_directory(scratch / "own");
    fs::copy_file(data, scratch / "own" / "metrics.jsonl");
    copy_folder(scratch / "own", scratch / "in" / "adapter");
    fs::create_directory(scratch / "hard");
    fs::copy_file(data, scratch / "hard.jsonl");
    fs::create_hard_link(scratch / "hard.jsonl", scratch / "hard" / "trace.json");
    fs::create_directory(scratch / "parts");
    for (const auto& e : fs::directory_iterator(scratch / "m"))
        fs::create_symlink(e.path(), scratch / "parts" / e.path().filename().string());
    fs::create_directories(scratch / "blobs" / "checkpoints");
    fs::rename(scratch / "m" / shard_2, scratch / "blobs" / "checkpoints" / "blob");
    fs::create_symlink(scratch / "blobs" / "checkpoints" / "blob", scratch / "m" / shard_2);
    copy_model(scratch / "base");
    fs::create_directory(scratch / "full");
    copy_folder(scratch / "base", scratch / "full" / "model");

    const std::vector<std::string> before = files_of(scratch.path);
    auto tried = [&](const fs::path& output, const Arguments& more, const std::string& what) {
        CAPTURE(output);
        refused(run(Arguments{"train"} + model_and_data() +
                    Arguments{"--max-steps", "1", "--trace", "--output-dir", output} + more),
                what, scratch.path, before);
    };
    const std::string lies = "which is or lies in the model", holds = "which holds ";
    Arguments m{"--model", scratch / "m"};
    tried(scratch / "m", m, lies);
    tried(scratch / "m" / "", m, lies);
    tried(scratch / "link", m, lies);
    tried(scratch / "init" / ".." / "m", m, lies);
    tried(scratch / "m" / "deep" / "run", m, lies);
    tried(scratch / "blobs", m, holds + "the model");
    tried(scratch / "blobs", {"--model", scratch / "parts"}, holds + "the model");
    tried(scratch / "full", {"--model", scratch / "full" / "model", "--train-type", "full", "--save-model"}, lies);
    tried(scratch / "init", {"--init-adapter", scratch / "init" / "adapter"}, "which is or lies in --init-adapter");
    tried(scratch / "init2", {"--init-adapter", scratch / "init2" / "checkpoints" / "mine"}, holds + "--init-adapter");
    tried(scratch / "own", {"--dataset", scratch / "own" / "metrics.jsonl"}, "which is or lies in --dataset");
    tried(scratch / "in", {"--dataset", scratch / "in" / "adapter" / "metrics.jsonl"}, holds + "--dataset");
    tried(scratch / "in", {"--eval-dataset", scratch / "in" / "adapter" / "metrics.jsonl"}, holds + "--eval-dataset");
    tried(scratch / "hard", {"--dataset", scratch / "hard.jsonl"}, "which is or lies in --dataset");
}

TEST_CASE("outputs: data, options and checkpoints of the run's own folder are no such inputs") {
    Scratch scratch;
    fs::path output = scratch / "run";
    fs::create_directory(output);
    fs::copy_file(golden("data/llama2-ragged.jsonl"), output / "data.jsonl");
    put(output / "config.json", "{\"seed\": 3}");
    Arguments data{"--dataset", output / "data.jsonl"};
    REQUIRE(run(training(output, 2) + data + Arguments{"--config", output / "config.json"}).code == 0);
    CHECK(text_of(output / "config.json").find("\"seed\": 3") != std::string::npos);
    Exit e = run({"train", "--config", (output / "config.json").string(), "--max-steps", "3"});
    CHECK_MESSAGE(e.says("resumed at step 2 from "), e.err);
    e = run(training(output, 4) + data +
            Arguments{"--seed", "3", "--resume", output / "checkpoints" / "step-000003"});
    CHECK_MESSAGE(e.says("resumed at step 3 from "), e.err);
}

TEST_CASE("outputs: a folder that cannot be written is refused, and none is left behind") {
    Scratch scratch;
    Exit e = run(training(scratch / "data.txt" / "run", 1), [&] { write_text(scratch / "data.txt", "mine"); });
    CHECK(e.code == 2);
    CHECK_MESSAGE(e.says("cannot be made: Not a directory"), e.err);

    auto small_files = [] {
        struct rlimit limit {
            8192, 8192
        };
        ::setrlimit(RLIMIT_FSIZE, &limit);
    };
    e = run(training(scratch / "a" / "b" / "run", 1), small_files);
    CHECK(e.code == 1);
    CHECK_MESSAGE(e.says("File too large"), e.err);
    CHECK(!fs::exists(scratch / "a"));

    fs::path disk = scratch / "disk";
    fs::create_directory(disk);
    if (::mount("tmpfs", disk.c_str(), "tmpfs", 0, "size=60k") != 0) {
        std::puts("SKIPPED: a tmpfs cannot be mounted here");
        return;
    }
    e = run(training(disk / "run", 1));
    CHECK(e.code == 1);
    CHECK_MESSAGE(e.says("No space left on device for this run: it will need "), e.err);
    CHECK(fs::is_empty(disk));
    CHECK(::mount("tmpfs", disk.c_str(), "tmpfs", MS_REMOUNT | MS_RDONLY, "size=1m") == 0);
    e = run(training(disk, 1));
    CHECK(e.code == 2);
    CHECK_MESSAGE(e.says("Read-only file system"), e.err);
    ::umount(disk.c_str());
}

TEST_CASE("outputs: a missing, older or damaged result is written anew without training") {
    Scratch scratch;
    fs::path whole = scratch / "whole", older = scratch / "older", output = scratch / "run";
    REQUIRE(run(training(older, 2)).code == 0);
    REQUIRE(run(training(whole, 4)).code == 0);
    auto weights = [&](const char* name = "adapter_model.safetensors") { return output / "adapter" / name; };
    const std::function<void()> damages[] = {
        [&] { fs::remove_all(output / "adapter"); },
        [&] { fs::remove(weights()); },
        [&] { fs::remove(weights("adapter_config.json")); },
        [&] { fs::resize_file(weights(), fs::file_size(weights()) - 1); },
        [&] { write_text(weights(), ""); },
        [&] {
            std::string text = text_of(weights());
            text.back() ^= 1;
            write_text(weights(), text);
        },
        [&] { edit_json(weights("adapter_config.json"), [](auto& j) { j["lora_alpha"] = 17; }); },
        [&] { write_text(weights(), text_of(older / "adapter" / "adapter_model.safetensors")); },
        [&] {  // with its record
            fs::remove_all(output / "adapter");
            copy_folder(older / "adapter", output / "adapter");
            write_text(output / "result.json", text_of(older / "result.json"));
        },
        [&] { fs::remove(output / "result.json"); },
        [&] { write_text(output / "result.json", text_of(output / "result.json").substr(0, 40)); },
    };
    for (std::size_t i = 0; i < std::size(damages); i++) {
        CAPTURE(i);
        fs::remove_all(output);
        fs::copy(whole, output, fs::copy_options::recursive);
        damages[i]();
        Exit e = run(training(output, 4));
        CHECK_MESSAGE(e.code == 0, e.err);
        CHECK_MESSAGE(e.says("resumed at step 4 from "), e.err);
        CHECK(text_of(output / "metrics.jsonl") == text_of(whole / "metrics.jsonl"));
        check_same_run(whole, output);
        CHECK(run(training(output, 4)).says("this run is finished"));
    }
}

TEST_CASE("outputs: a model is saved from the last checkpoint of a run that did not save it") {
    Scratch scratch;
    auto full = [&](const char* folder, const Arguments& more) {
        return run(Arguments{"train"} + model_and_data() +
                   Arguments{"--train-type", "full", "--max-steps", "2", "--output-dir", scratch / folder} + more);
    };
    REQUIRE(full("a", {}).code == 0);
    CHECK(full("a", {}).says("this run is finished"));
    CHECK(full("a", {"--save-model"}).says("resumed at step 2 from "));
    CHECK(full("a", {"--save-model"}).says("this run is finished"));
    REQUIRE(full("b", {"--save-model"}).code == 0);
    CHECK((text_of(scratch / "a" / "model" / "model.safetensors") ==
           text_of(scratch / "b" / "model" / "model.safetensors")));
}
