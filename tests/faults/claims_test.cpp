// What config.json claims and the tensors or the graph do not keep, through the program: refused, or said in one line.
#include "tests/support/model_variant.h"
#include "tests/support/train_process.h"

using namespace tandem::test;
namespace fs = std::filesystem;

namespace {

std::size_t lines_with(const std::string& text, const std::string& part) {
    std::size_t lines = 0;
    std::istringstream in(text);
    for (std::string line; std::getline(in, line);) lines += line.find(part) != line.npos;
    return lines;
}

// train, eval and generate with a model, in this order.
std::vector<Arguments> commands(const fs::path& model, const fs::path& output) {
    Arguments quick{"--model", model.string(), "--precision", "fp32", "--train-type", "lora"};
    return {training(output, 1) + quick,
            Arguments{"eval"} + model_and_data() + Arguments{"--dataset-samples", "4", "--json"} + quick,
            Arguments{"generate", "--prompt-ids", "5,6,7", "--max-new-tokens", "3", "--ignore-eos", "--json"} + quick};
}

}  // namespace

TEST_CASE("claims: a tensor that would not be used ends every command before it starts") {
    Scratch scratch;
    ModelVariant m("llama2-mha");
    m.add("model.layers.0.self_attn.q_proj.bias", {64});
    fs::path folder = m.write();
    for (const Arguments& command : commands(folder, scratch / "run")) {
        Exit e = run(command);
        CHECK(e.code == 2);
        CHECK(e.out.empty());
        CHECK_MESSAGE(e.says("tensor 'model.layers.0.self_attn.q_proj.bias' would not be used"), e.err);
    }
    CHECK(!fs::exists(scratch / "run"));
}

TEST_CASE("claims: what the tensors decide otherwise is said once, on stderr") {
    Scratch scratch;
    ModelVariant m("llama2-mha");
    m.config["tie_word_embeddings"] = true;
    m.config["quantization_config"] = {{"load_in_4bit", true}};
    fs::path folder = m.write();
    for (const Arguments& command : commands(folder, scratch / "run")) {
        Exit e = run(command);
        CHECK_MESSAGE(e.code == 0, e.err);
        CHECK(lines_with(e.err, "lm_head.weight differs from the embedding and is used") == 1);
        CHECK(lines_with(e.err, "no weight is quantized") == 1);
        if (command[0] != "train") CHECK(nlohmann::json::parse(e.out).is_object());
    }
}

TEST_CASE("claims: a fully trained model is saved with a config.json that fits its tensors") {
    Scratch scratch;
    ModelVariant m("llama2-mha");
    m.config["tie_word_embeddings"] = true;
    m.config["quantization_config"] = {{"load_in_4bit", true}};
    fs::path folder = m.write();
    Arguments full{"--model", folder.string(), "--train-type", "full", "--save-model", "true"};
    Exit e = run(Arguments{"train"} + model_and_data() +
                 Arguments{"--max-steps", "1", "--output-dir", scratch / "run"} + full);
    REQUIRE_MESSAGE(e.code == 0, e.err);
    nlohmann::json config = nlohmann::json::parse(text_of(scratch / "run" / "model" / "config.json"));
    CHECK(config["tie_word_embeddings"] == false);
    CHECK(!config.contains("quantization_config"));
    m.config["tie_word_embeddings"] = false;
    m.config.erase("quantization_config");
    CHECK(config == m.config);
    e = run(commands(scratch / "run" / "model", scratch / "other")[1]);
    CHECK_MESSAGE(e.code == 0, e.err);
    CHECK(lines_with(e.err, "config.json") == 0);
}

TEST_CASE("claims: a sliding window binds by the longest sequence at hand") {
    Scratch scratch;
    ModelVariant m("llama2-mha");
    m.config["model_type"] = "mistral";
    fs::path data = scratch / "d.jsonl", longer = scratch / "longer.jsonl";
    auto write_samples = [](const fs::path& file, int tokens) {
        std::vector<int> ids(std::size_t(tokens), 7);
        write_text(file, nlohmann::json{{"input_ids", ids}}.dump() + "\n");
    };
    write_samples(data, 20);
    write_samples(longer, 21);
    auto window = [&](int tokens) {
        m.config["sliding_window"] = tokens;
        return m.write();
    };
    auto with_data = [&](const char* command, const fs::path& file) {
        fs::remove_all(scratch / "run");
        Arguments a{command, "--dataset", file, "--train-type", "lora", "--threads", "2", "--gpus", "cpu"};
        if (command == std::string("train")) a = a + Arguments{"--max-steps", "1", "--output-dir", scratch / "run"};
        return a;
    };
    auto fits = [](const Arguments& command) {
        Exit e = run(command);
        CHECK_MESSAGE(e.code == 0, e.err);
    };
    auto refused = [&](const Arguments& command) {
        fs::remove_all(scratch / "run");
        Exit e = run(command);
        CHECK(e.code == 2);
        CHECK(e.out.empty());
        CHECK_MESSAGE(e.says(" attends over 20 tokens only (sliding_window), "), e.err);
        CHECK(!fs::exists(scratch / "run"));
    };
    Arguments model{"--model", window(20).string()}, cut{"--context-length", "20", "--truncate"};
    for (const char* command : {"train", "eval"}) {
        fits(with_data(command, data) + model);  // far below --context-length
        refused(with_data(command, longer) + model);
        fits(with_data(command, longer) + model + cut);
    }
    fits(with_data("train", data) + model + Arguments{"--packing"});
    refused(with_data("train", data) + model + Arguments{"--eval-dataset", longer});
    refused(with_data("train", data) + model + Arguments{"--sample-prompt", "hello"});
    fits(with_data("train", data) + model + Arguments{"--sample-prompt", "hello", "--context-length", "20"});

    Arguments prompt{"generate", "--prompt-ids", "3,4,5,6", "--train-type", "lora", "--threads", "2", "--ignore-eos"};
    fits(prompt + model + Arguments{"--max-new-tokens", "16"});
    refused(prompt + model + Arguments{"--max-new-tokens", "17"});
    refused(prompt + model);
    fits(prompt + model + Arguments{"--context-length", "20"});
    m.config["sliding_window"] = nullptr;
    fits(prompt + Arguments{"--model", m.write().string()});
}
