// Dynamic NTK through the program against transformers: tests/golden/make_dynamic_ntk.py.
#include <doctest/doctest.h>

#include <cmath>

#include "models/io/json_fields.h"
#include "tests/support/model_files.h"

using namespace tandem;
using namespace tandem::test;

namespace {

// As golden curves have it: fp32 of two programs.
constexpr double loss_tolerance = 1e-5;

struct Golden {
    Scratch scratch;
    std::filesystem::path model = scratch.path / "model";
    Json reference = parse_json_file(golden("reference/dynamic_ntk.json"));

    Golden() {
        copy_model(model);
        edit_json(model / "config.json", [&](nlohmann::json& j) {
            j["max_position_embeddings"] = reference.at("max_position_embeddings").integer();
            j["rope_parameters"] = nlohmann::json::parse(reference.at("rope_parameters").text());
        });
    }
    Arguments on_model(const char* command) const {
        return {command, "--model", model.string(), "--precision", "fp32", "--train-type", "lora", "--gpus", "cpu",
                "--threads", "1"};
    }
    std::string data(const std::vector<std::size_t>& documents) const {
        std::string text;
        for (std::size_t d : documents)
            text += Json(Json::Object{{"input_ids", reference.at("documents").array()[d].at("ids")}}).text() + "\n";
        return scratch.put("data.jsonl", text).string();
    }
    // Of the documents together, per token.
    double loss(const std::vector<std::size_t>& documents) const {
        double sum = 0, tokens = 0;
        for (std::size_t d : documents) {
            const Json& document = reference.at("documents").array()[d];
            double n = double(document.at("ids").array().size()) - 1;
            sum += n * document.at("loss").number();
            tokens += n;
        }
        return sum / tokens;
    }
};

double number(const std::string& json, const char* key) { return parse_json(json, "output").at(key).number(); }

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

}  // namespace

TEST_CASE("dynamic NTK: a document's loss is transformers' below, at and above the limit, in any batch and context") {
    Golden g;
    std::vector<std::size_t> all{0, 1, 2, 3, 4, 5};
    for (std::size_t d : all)
        for (const char* context : {"63", "512"}) {
            Exit e = run(g.on_model("eval") +
                             Arguments{"--dataset", g.data({d}), "--json", "--context-length", context});
            REQUIRE_MESSAGE(e.code == 0, e.err);
            CHECK(std::abs(number(e.out, "loss") - g.loss({d})) <= loss_tolerance);
        }
    for (const char* batch : {"1", "4", "6"}) {
        Exit e = run(g.on_model("eval") + Arguments{"--dataset", g.data(all), "--json", "--batch-size", batch});
        REQUIRE_MESSAGE(e.code == 0, e.err);
        CHECK(std::abs(number(e.out, "loss") - g.loss(all)) <= loss_tolerance);
    }
}

TEST_CASE("dynamic NTK: packed rows hold documents of their own, and a resumed run is the uninterrupted one") {
    Golden g;
    auto train = [&](const std::string& output, const Arguments& more) {
        Arguments base{"--dataset", g.data({5, 0, 2, 3, 1, 4}), "--lora-rank", "4", "--lora-dropout", "0.1",
                       "--shuffle", "false", "--lr", "1e-3", "--context-length", "128", "--output-dir",
                       (g.scratch.path / output).string()};
        Exit e = run(g.on_model("train") + base + more);
        REQUIRE_MESSAGE(e.code == 0, e.err);
        return text_of(g.scratch.path / output / "metrics.jsonl");
    };
    // The first step's loss is that of the model as it was: B is zero.
    std::string packed = train("packed", {"--packing", "--batch-size", "2", "--max-steps", "1"});
    std::string loose = train("loose", {"--batch-size", "6", "--max-steps", "1"});
    CHECK(std::abs(number(first_line(packed), "loss") - g.loss({0, 1, 2, 3, 4, 5})) <= loss_tolerance);
    CHECK(std::abs(number(first_line(loose), "loss") - g.loss({0, 1, 2, 3, 4, 5})) <= loss_tolerance);

    Arguments epochs{"--packing", "--batch-size", "1", "--num-epochs", "3"};
    train("whole", epochs);
    train("parts", epochs + Arguments{"--max-steps", "2"});
    train("parts", epochs);
    check_same_run(g.scratch.path / "whole", g.scratch.path / "parts");
}

TEST_CASE("dynamic NTK: an answer that grows over the limit is transformers'") {
    Golden g;
    for (const Json& greedy : g.reference.at("greedy").array())
        for (const char* context : {"64", "300"}) {
            std::string prompt = greedy.at("prompt").text();
            Exit e = run(g.on_model("generate") +
                         Arguments{"--prompt-ids", prompt.substr(1, prompt.size() - 2), "--temperature", "0", "--json",
                                   "--max-new-tokens", "24", "--ignore-eos", "--context-length", context});
            REQUIRE_MESSAGE(e.code == 0, e.err);
            CHECK(parse_json(e.out, "output").at("ids") == greedy.at("answer"));
        }
}
