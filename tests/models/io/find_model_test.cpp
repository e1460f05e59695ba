#include "models/io/find_model.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <optional>

#include "models/io/checkpoint_files.h"
#include "models/io/hf_config.h"
#include "tests/models/io/support.h"

using namespace tandem;
using namespace tandem::test;

namespace fs = std::filesystem;

namespace {

// Points every place that is searched into an empty folder, and puts the environment back.
class Places {
  public:
    Places() {
        for (const char* name : {"TANDEM_MODELS", "HF_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME", "HOME"}) {
            const char* value = std::getenv(name);
            before_.emplace_back(name, value ? std::optional<std::string>(value) : std::nullopt);
            ::unsetenv(name);
        }
        ::setenv("HOME", (scratch.path / "home").c_str(), 1);
    }
    ~Places() {
        for (const auto& [name, value] : before_) value ? ::setenv(name, value->c_str(), 1) : ::unsetenv(name);
    }
    void set(const char* name, const char* folder) const { ::setenv(name, (scratch.path / folder).c_str(), 1); }

    Scratch scratch;

  private:
    std::vector<std::pair<const char*, std::optional<std::string>>> before_;
};

const std::string repository = "models--HuggingFaceTB--SmolLM2-135M-Instruct";

void put_snapshot(const Scratch& s, const std::string& cache, const std::string& commit) {
    s.put(cache + "/" + repository + "/snapshots/" + commit + "/config.json", "{}");
    s.put(cache + "/" + repository + "/snapshots/" + commit + "/model.safetensors", safetensors_bytes("{}", 0));
}

}  // namespace

TEST_CASE("a model is a folder with config.json or a file in it") {
    Places p;
    fs::path folder = p.scratch.path / "m";
    fs::path file = p.scratch.put("m/weights.safetensors", safetensors_bytes("{}", 0));
    CHECK(contains(message_of<InputError>([&] { find_model(folder.string()); }), "has no config.json"));
    CHECK(contains(message_of<InputError>([&] { find_model(file.string()); }), "config.json beside it"));
    fs::path config = p.scratch.put("m/config.json", "{}");
    CHECK(find_model(folder.string()).weights == folder);
    CHECK(find_model(file.string()).folder == folder);
    CHECK(find_model(file.string()).weights == file);
    CHECK_THROWS_AS(find_model(config.string()), InputError);
    CHECK(contains(message_of<InputError>([&] { find_model("llama8b"); }), "known are llama7b"));
    CHECK_THROWS_AS(find_model(""), InputError);
    CHECK_THROWS_AS(find_model("/nowhere/at/all"), InputError);
    CHECK_THROWS_AS(find_model("a/b/c"), InputError);
}

TEST_CASE("an alias is found in TANDEM_MODELS, then in the cache") {
    Places p;
    std::string lost = message_of<InputError>([&] { find_model("smollm2-135m"); });
    CHECK_MESSAGE(contains(lost, "TANDEM_MODELS is not set"), lost);
    CHECK(contains(lost, (p.scratch.path / "home/.cache/huggingface/hub" / repository).string()));
    CHECK(contains(lost, "hf download HuggingFaceTB/SmolLM2-135M-Instruct"));

    put_snapshot(p.scratch, "home/.cache/huggingface/hub", "aaa");
    CHECK(find_model("smollm2-135m").folder.filename() == "aaa");
    CHECK(find_model("HuggingFaceTB/SmolLM2-135M-Instruct").folder.filename() == "aaa");
    p.set("HF_HOME", "hf");
    put_snapshot(p.scratch, "hf/hub", "bbb");
    CHECK(find_model("smollm2-135m").folder.filename() == "bbb");
    p.set("HF_HUB_CACHE", "cache");
    put_snapshot(p.scratch, "cache", "ccc");
    CHECK(find_model("smollm2-135m").folder.filename() == "ccc");
    p.set("TANDEM_MODELS", "models");
    CHECK(find_model("smollm2-135m").folder.filename() == "ccc");
    p.scratch.put("models/smollm2-135m/config.json", "{}");
    CHECK(find_model("smollm2-135m").folder == p.scratch.path / "models/smollm2-135m");
}

TEST_CASE("refs/main chooses the snapshot if it is complete, else the newest complete one does") {
    Places p;
    p.set("HF_HUB_CACHE", "c");
    fs::path snapshots = p.scratch.path / "c" / repository / "snapshots";
    for (const char* commit : {"aaa", "bbb"}) put_snapshot(p.scratch, "c", commit);
    auto now = fs::file_time_type::clock::now();
    fs::last_write_time(snapshots / "aaa", now - std::chrono::hours(1));
    fs::last_write_time(snapshots / "bbb", now);
    CHECK(find_model("smollm2-135m").folder.filename() == "bbb");
    p.scratch.put("c/" + repository + "/refs/main", "aaa\n");
    CHECK(find_model("smollm2-135m").folder.filename() == "aaa");
    fs::remove(snapshots / "aaa" / "model.safetensors");
    p.scratch.put("c/" + repository + "/snapshots/aaa/model.safetensors.index.json",
                  R"({"weight_map":{"t":"1.safetensors"}})");
    CHECK(find_model("smollm2-135m").folder.filename() == "bbb");
    p.scratch.put("c/" + repository + "/snapshots/aaa/1.safetensors", "");
    CHECK(find_model("smollm2-135m").folder.filename() == "aaa");
    fs::remove_all(snapshots);
    CHECK_THROWS_AS(find_model("smollm2-135m"), InputError);
}

TEST_CASE("an alias knows its shape") {
    // Parameters of each model as its card gives them, in millions.
    const std::pair<const char*, double> sizes[] = {{"llama7b", 6738.4},     {"llama13b", 13015.9},
                                                    {"llama70b", 68976.6},   {"llama3-8b", 8030.3},
                                                    {"llama3-70b", 70553.7}, {"smollm2-135m", 134.515}};
    CHECK(model_aliases().size() == std::size(sizes));
    for (auto [name, millions] : sizes) {
        const ModelAlias* alias = find_alias(name);
        REQUIRE(alias);
        const LlamaConfig& c = alias->shape;
        double q = double(c.heads) * c.head_dim, kv = double(c.kv_heads) * c.head_dim;
        double layer = 2 * q * c.hidden + 2 * kv * c.hidden + 3.0 * c.hidden * c.intermediate + 2 * c.hidden;
        double all = layer * c.layers + double(c.vocab) * c.hidden * (c.tied ? 1 : 2) + c.hidden;
        CHECK_MESSAGE(all / 1e6 == doctest::Approx(millions).epsilon(1e-4), name);
    }
    CHECK_FALSE(find_alias("llama8b"));
}
