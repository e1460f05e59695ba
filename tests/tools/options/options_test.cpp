#include "tools/options/options.h"

#include <doctest/doctest.h>

#include <fstream>

#include "runtime/error.h"

namespace {
enum class Fruit { apple, pear };
}
namespace tandem {
template <> struct SettingNames<Fruit> {
    static constexpr std::array names{std::pair{std::string_view("apple"), Fruit::apple},
                                      std::pair{std::string_view("pear"), Fruit::pear},
                                      std::pair{std::string_view("nashi"), Fruit::pear}};
};
}  // namespace tandem

using namespace tandem;
namespace fs = std::filesystem;

namespace {

struct Basket {
    std::string model = "demo";
    Fruit fruit = Fruit::apple;
    bool shuffle = true, packing = false;
    std::int64_t lora_rank = 64;
    double lr = 1e-5;
    fs::path output_dir = "output";
    std::optional<std::int64_t> threads;
    std::vector<std::string> gpus{"cpu", "cpu"};
    std::vector<std::int64_t> ids;
    ByteSize memory{1024};
    OptionSet set{"train", "fine-tune a model"};

    Basket() {
        set.group("Model");
        set.add("model, model_name", model, "the model");
        set.add("fruit", fruit, "what kind");
        set.group("Training");
        set.add("shuffle", shuffle, "another order in each epoch");
        set.add("packing", packing, "rows of several samples");
        set.add("lora_rank", lora_rank, "rank of the adapters", {.min = 1, .max = 4096});
        set.add("lr", lr, "learning rate", {.min = 0, .below = 1});
        set.add("output_dir", output_dir, "where the run is written");
        set.add("threads", threads, "CPU threads", {.min = 1});
        set.add("gpus", gpus, "devices");
        set.add("prompt_ids", ids, "ids");
        set.add("gpu_memory", memory, "cap");
    }
    auto parse(const std::vector<std::string>& arguments) { return set.parse(arguments); }
    std::string errors(const std::vector<std::string>& arguments) {
        try {
            parse(arguments);
        } catch (const InputError& e) {
            return e.what();
        }
        return "";
    }
};

struct File {
    fs::path path = fs::temp_directory_path() / ("tandem_options_" + std::to_string(std::rand()) + ".json");
    explicit File(const std::string& text) { std::ofstream(path) << text; }
    ~File() { fs::remove(path); }
};

}  // namespace

TEST_CASE("every type is read from the command line") {
    Basket b;
    CHECK(
        b.parse({"--model_name", "x",      "--fruit=nashi", "--shuffle", "false",     "--packing", "--lora-rank", "8",
                 "--lr",         "5e-4",   "--output_dir",  "out",       "--threads", "3",         "--gpus",      "cpu",
                 "--prompt-ids", "1,-2,3", "--gpu-memory",  "22694MiB"}) == OptionSet::Parsed::run);
    CHECK(b.model == "x");
    CHECK(b.fruit == Fruit::pear);
    CHECK_FALSE(b.shuffle);
    CHECK(b.packing);
    CHECK(b.lora_rank == 8);
    CHECK(b.lr == 5e-4);
    CHECK(b.output_dir == "out");
    CHECK(b.threads == 3);
    CHECK(b.gpus == std::vector<std::string>{"cpu"});
    CHECK(b.ids == std::vector<std::int64_t>{1, -2, 3});
    CHECK(b.memory.bytes == 22694LL << 20);
}

TEST_CASE("sizes") {
    ByteSize size;
    auto bytes = [&](const char* text) { return SettingType<ByteSize>::read(text, size) ? size.bytes : -1; };
    CHECK(bytes("24GB") == 24000000000);
    CHECK(bytes("1.5GiB") == 3LL << 29);
    CHECK(bytes("77") == 77);
    CHECK(bytes("8B") == 8);
    for (const char* bad : {"", "GB", "-1GB", "1GBs", "1 GB", "nan", "1e30GB", "0x10"})
        CHECK_MESSAGE(bytes(bad) == -1, bad);
}

TEST_CASE("defaults stay, and an option knows whether it was given") {
    Basket b;
    b.parse({"--lora_rank", "64"});
    CHECK(b.set.given("lora_rank"));
    CHECK(b.set.given("lora-rank"));
    CHECK_FALSE(b.set.given("lr"));
    CHECK_FALSE(b.threads.has_value());
    CHECK(b.gpus.size() == 2);
    CHECK_THROWS_AS(b.set.given("no_such"), Error);
}

TEST_CASE("switches take their value in every way, and the last one of two counts") {
    for (auto [arguments, packing] :
         std::vector<std::pair<std::vector<std::string>, bool>>{{{"--packing"}, true},
                                                                {{"--packing", "true"}, true},
                                                                {{"--packing=true"}, true},
                                                                {{"--packing=False"}, false},
                                                                {{"--packing", "--lr", "0"}, true},
                                                                {{"--packing", "true", "--packing", "false"}, false}}) {
        Basket b;
        b.parse(arguments);
        CHECK(b.packing == packing);
    }
    Basket b;
    CHECK(b.errors({"--packing", "maybe"}) == "--packing expected true or false, got 'maybe'");
}

TEST_CASE("a text may look like anything") {
    for (std::string text :
         {"[INST] a, b [/INST]", "[a,b]", "--what_is this", "-5", "", "a=b", "--", "\x1f", "%s {}", "é"}) {
        Basket spaced, joined;
        spaced.parse({"--model", text, "--lora-rank", "2"});
        joined.parse({"--model=" + text, "--lora-rank=2"});
        CHECK(spaced.model == text);
        CHECK(joined.model == text);
        CHECK(joined.lora_rank == 2);
    }
}

TEST_CASE("an unknown option fails with the nearest name") {
    Basket b;
    CHECK(b.errors({"--lora-rnk", "8"}) == "unknown option --lora-rnk; did you mean --lora-rank?");
    CHECK(b.errors({"--Lr=8"}) == "unknown option --Lr; did you mean --lr?");
    CHECK(b.errors({"-modelname", "8"}) == "unknown option -modelname; did you mean --model-name?");
    CHECK(b.errors({"train.jsonl"}) == "unexpected argument 'train.jsonl'; options start with --");
}

TEST_CASE("all errors are reported at once, a line each") {
    Basket b;
    CHECK(b.errors({"--fruit", "plum", "--lora-rank", "0", "--lr", "nan", "--lrr", "3", "--threads", "1.5", "--gpus",
                    "cpu,,cpu", "--output-dir", "", "--model"}) ==
          "--model needs a value\n"
          "--fruit expected apple|pear|nashi, got 'plum'\n"
          "--lora-rank expected an integer >= 1 and <= 4096, got '0'\n"
          "--lr expected a number >= 0 and < 1, got 'nan'\n"
          "--output-dir expected a path, got ''\n"
          "--threads expected an integer >= 1, got '1.5'\n"
          "--gpus expected a list of text, separated by commas, got 'cpu,,cpu'\n"
          "unknown option --lrr; did you mean --lr?");
    Basket c;
    CHECK(c.errors({"--model", "--lora_rank"}) == "--model needs a value, got the option --lora_rank");
}

TEST_CASE("rules between options join the list, unless they rest on a value that has an error") {
    Basket b;
    auto check = [&] {
        return std::vector<Conflict>{{{"lora_rank", "lr"}, "rank and rate do not fit"},
                                           {{"fruit"}, "no such fruit today"}};
    };
    try {
        b.set.parse({"--lr", "x"}, check);
        FAIL("no error");
    } catch (const InputError& e) {
        CHECK(std::string(e.what()) == "--lr expected a number >= 0 and < 1, got 'x'\nno such fruit today");
    }
}

TEST_CASE("--config sets defaults that the command line overrides") {
    File config(
        R"({"lora-rank": 16, "lr": 0.25, "gpus": ["cpu"], "shuffle": false, "model": "a", "threads": null,)"
        R"( "fruit": "apple"})");
    Basket b;
    b.parse({"--lr", "0.5", "--config", config.path});
    CHECK(b.lora_rank == 16);
    CHECK(b.lr == 0.5);
    CHECK(b.gpus.size() == 1);
    CHECK_FALSE(b.shuffle);
    CHECK(b.set.given("lora_rank"));
    CHECK_FALSE(b.set.given("threads"));
    CHECK_FALSE(b.set.given("fruit"));  // as it would be anyway: a run's own config.json contradicts nothing
}

TEST_CASE("errors of the config file") {
    File config(R"({"lorarank": 16, "lr": "fast", "gpus": {"a": 1}, "packing": 1, "lora_rank": 1, "lora-rank": 2})");
    std::string at = config.path.string() + ": ";
    Basket b;
    CHECK(b.errors({"--config", config.path}) ==
          at + "unknown option lorarank; did you mean lora_rank?\n" + at +
              "lr expected a number >= 0 and < 1, got 'fast'\n" + at +
              "gpus expected a list of text, separated by commas, got {\"a\":1}\n" + at +
              "packing expected true or false, got '1'\n" + at + "lora_rank stands there twice");
    File others(R"({"learning_rate": 1e-4, "lora_r": 8, "no_shuffle": true})");
    at = others.path.string() + ": ";
    CHECK(b.errors({"--config", others.path}) ==
          at + "unknown option learning_rate; did you mean lr?\n" + at +
              "unknown option lora_r; did you mean lora_rank?\n" + at +
              "unknown option no_shuffle; did you mean shuffle: false?");
    CHECK(b.errors({"--config", "/no/such.json"}).starts_with("--config [files] cannot read /no/such.json"));
    CHECK(b.errors({"--config", "/tmp"}).starts_with("--config [files] cannot read /tmp"));
    CHECK(b.errors({"--config"}) == "--config needs a value");
    for (const char* bad : {"", "[1]", "{\"lr\": 1", "3"}) {
        File broken(bad);
        CHECK_MESSAGE(b.errors({"--config", broken.path}).find(broken.path.string()) != std::string::npos, bad);
    }
}

TEST_CASE("json() is read back by --config as it was") {
    Basket b;
    b.parse({"--lr", "0.1", "--model", "a \"b\" é\n", "--gpus", "", "--fruit", "pear"});
    File config(b.set.json());
    Basket c;
    c.parse({"--config", config.path});
    CHECK(c.set.json() == b.set.json());
    CHECK(c.model == "a \"b\" é\n");
    CHECK(c.gpus.empty());
    CHECK(b.set.json().find("\"lr\": 0.1") != std::string::npos);
}

TEST_CASE("differences between two runs") {
    Basket b, c;
    b.parse({"--lr", "0.1", "--threads", "2"});
    c.parse({"--lr", "1e-1", "--lora-rank", "8"});
    CHECK(c.set.differences(b.set.json()) == std::vector<std::string>{"lora_rank", "threads"});
    CHECK(b.set.differences(b.set.json()).empty());
    CHECK(b.set.differences(R"({"lr": 0.1, "old_option": 1})") == std::vector<std::string>{"threads", "old_option"});
    CHECK_THROWS_AS(b.set.differences("{"), InputError);
}

TEST_CASE("what a resumed run may have otherwise is said where an option is declared") {
    std::int64_t steps = 10, threads = 4, rank = 8;
    std::string data = "a";
    OptionSet set("train", "fine-tune");
    set.add("steps", steps, "optimizer steps; -1 for no end", {.min = -1}, Resumed::or_more);
    set.add("threads", threads, "CPU threads", {.min = 1}, Resumed::any);
    set.add("rank", rank, "rank");
    set.add("data", data, "a file", Resumed::by_content);
    using Names = std::vector<std::string>;
    CHECK(set.differences(R"({"steps": 10, "threads": 9, "rank": 8, "data": "b"})").empty());
    CHECK(set.differences(R"({"steps": 9})").empty());
    CHECK(set.differences(R"({"steps": 11})") == Names{"steps"});
    CHECK(set.differences(R"({"steps": -1})") == Names{"steps"});
    CHECK(set.differences(R"({"rank": 9, "gone": 1})") == Names{"rank", "gone"});
    steps = -1;
    CHECK(set.differences(R"({"steps": 1000000})").empty());
    CHECK(set.differences(R"({"steps": "many"})") == Names{"steps"});
}

TEST_CASE("help names every option with its default and says so before anything fails") {
    Basket b;
    CHECK(b.parse({"--help", "--nonsense"}) == OptionSet::Parsed::help);
    CHECK(b.parse({"-h"}) == OptionSet::Parsed::help);
    std::string help = b.set.help();
    for (std::string part : {"fine-tune a model", "tandem train", "Model:", "Training:", "--model,--model-name",
                             "--lora-rank", "--lora-rank N [64]", "rank of the adapters", "--config",
                             "apple|pear|nashi [apple]", "--gpus TEXT,... [cpu,cpu]", "--packing [false]"})
        CHECK_MESSAGE(help.find(part) != std::string::npos, part);
    CHECK_FALSE(b.set.given("model"));
}

TEST_CASE("a name is declared once") {
    Basket b;
    CHECK_THROWS_AS(b.set.add("model-name", b.model, "again"), Error);
}
