// Every command as a user meets it: exit codes, sentences, and which stream carries what.
#include <regex>

#include "tests/support/train_process.h"

using namespace tandem::test;
namespace fs = std::filesystem;
using nlohmann::json;

namespace {

const Arguments commands{"train", "plan", "generate", "eval", "tokenize"};

Arguments model() { return {"--model", golden("models/llama2-mha"), "--threads", "2"}; }

void refused(const Arguments& arguments, const std::string& message) {
    CAPTURE(message);
    Exit e = run(arguments);
    CHECK(e.code == 2);
    CHECK(e.out.empty());
    CHECK_MESSAGE(e.says(message), e.err);
}

// The one JSON object that is all of stdout.
json only_json(const Exit& e) {
    CHECK_MESSAGE(e.code == 0, e.err);
    CHECK(std::count(e.out.begin(), e.out.end(), '\n') == 1);
    return json::parse(e.out, nullptr, false);
}

}  // namespace

TEST_CASE("command line: usage and commands that do not exist") {
    for (const Arguments& help : {Arguments{}, Arguments{"--help"}, Arguments{"-h"}, Arguments{"help"}}) {
        Exit e = run(help);
        CHECK(e.code == 0);
        for (const std::string& c : commands) CHECK(e.out.find("  " + c) != std::string::npos);
        CHECK(e.err.empty());
    }
    refused({"trian"}, "there is no command trian");
    refused({""}, "there is no command ");
    refused({"--model", "x"}, "there is no command --model");
}

TEST_CASE("command line: each option of --help is accepted, with either spelling") {
    const std::regex entry("^  (-[^ ]+)( [^\\[ ]+)?( .*)?$");
    for (const std::string& command : commands) {
        CAPTURE(command);
        Exit help = run({command, "--help"});
        CHECK(help.code == 0);
        CHECK(help.err.empty());
        std::istringstream in(help.out);
        int options = 0;
        for (std::string line; std::getline(in, line);) {
            std::smatch m;
            if (!std::regex_match(line, m, entry)) continue;
            std::istringstream names(m[1].str());
            for (std::string name; std::getline(names, name, ',');) {
                if (name == "--help" || name == "-h" || name == "--config") continue;
                CAPTURE(name);
                std::string under = name;
                std::replace(under.begin() + 2, under.end(), '-', '_');
                for (const std::string& spelling : {name, under}) {
                    // One bad option keeps the command from running; the listed one is no part of the complaint.
                    Exit e = run({command, spelling, m[2].matched ? "1" : "true", "--zzzz"});
                    CHECK(e.code == 2);
                    CHECK(!e.says("unknown option " + name));
                    CHECK(e.says("unknown option --zzzz"));
                    options++;
                }
            }
        }
        CHECK(options >= 16);
    }
}

TEST_CASE("command line: all configuration errors at once, and the nearest name") {
    Exit e = run({"train", "--lora-rnk", "3", "--batch-size", "0", "--precision", "fp8", "--gpus", "0,x", "stray",
                  "--lr", "nan"});
    CHECK(e.code == 2);
    CHECK(e.out.empty());
    for (const char* sentence :
         {"unknown option --lora-rnk; did you mean --lora-rank?", "--batch-size expected an integer >= 1",
          "--precision expected", "--gpus expected cpu or numbers of cards, got '0,x'", "unexpected argument 'stray'",
          "--lr expected a number >= 0, got 'nan'"})
        CHECK_MESSAGE(e.says(sentence), e.err);
    refused({"train", "--model"}, "--model needs a value");
    refused({"train", "--seed", "99999999999999999999"}, "--seed expected an integer >= 0");
    refused({"train", "--shuffle", "maybe"}, "--shuffle expected true or false, got 'maybe'");
    refused({"train", "--config", "/none.json"}, "--config [files] cannot read /none.json: No such file or directory");
    refused({"generate"}, "give one of --prompt, --chat and --prompt-ids");
    refused({"eval", "--model", "x"}, "--dataset is missing");
    refused({"tokenize", "--text", "a", "--lines", "b"}, "give one of --text, --lines and --dataset");
}

TEST_CASE("command line: --verbose says where an error was thrown") {
    Scratch scratch;
    write_text(scratch / "verbose.json", R"({"verbose": true})");
    auto says_where = [](const Arguments& more) { return run(Arguments{"generate"} + more).says("thrown at "); };
    CHECK(says_where({"--verbose"}));
    CHECK(says_where({"--prompt", "x", "--verbose", "true", "--model", "/none"}));
    CHECK(says_where({"--config", scratch / "verbose.json"}));
    CHECK(!says_where({}));
    CHECK(!says_where({"--verbose", "false"}));
    CHECK(!says_where({"--config", scratch / "verbose.json", "--verbose=false"}));
    CHECK(run({"tokenize", "--verbose"}).says("tools/options/options.cpp:"));
}

TEST_CASE("command line: a model that is not there") {
    refused({"train", "--model", "/none", "--dataset", "x"}, "/none is no folder with config.json");
    refused({"generate", "--model", "", "--prompt", "x"}, "is no folder with config.json");
    Scratch empty;
    auto homeless = [&] {
        for (const char* name : {"HF_HOME", "HF_HUB_CACHE", "HOME", "TANDEM_MODELS"})
            ::setenv(name, (empty / name).c_str(), 1);
    };
    Exit e = run({"train", "--model", "smollm2-135m", "--dataset", "x"}, homeless);
    CHECK(e.code == 2);
    CHECK_MESSAGE(e.says((empty / "TANDEM_MODELS").string()), e.err);
    CHECK_MESSAGE(e.says((empty / "HF_HUB_CACHE").string()), e.err);
    CHECK_MESSAGE(e.says("hf download "), e.err);
}

TEST_CASE("command line: an output folder that cannot be made") {
    Scratch scratch;
    write_text(scratch / "file", "x");
    refused(training(scratch / "file", 2), "--output-dir");
    refused(training(scratch / "file" / "below", 2), "give a folder that can be written");
    CHECK(text_of(scratch / "file") == "x");
    if (::geteuid() == 0) return;  // root may write anywhere
    fs::create_directory(scratch / "closed");
    fs::permissions(scratch / "closed", fs::perms::owner_read | fs::perms::owner_exec);
    Exit e = run(training(scratch / "closed", 2));
    CHECK(e.code == 1);
    CHECK_MESSAGE(e.says("Permission denied"), e.err);
    fs::permissions(scratch / "closed", fs::perms::owner_all);
}

TEST_CASE("command line: train reports on stderr, without a progress bar where there is no terminal") {
    Scratch scratch;
    fs::create_directory(scratch / "run");  // an empty folder is fine
    Exit e = run(training(scratch / "run", 3));
    CHECK(e.code == 0);
    CHECK(e.out.empty());
    CHECK(e.err.find('\r') == std::string::npos);
    CHECK(e.err.find('\x1b') == std::string::npos);
    for (const char* block :
         {"[Options]", "[System]", "[Dataset]", "[Model]", "[Memory]", "[Sample]", "[T] step 3 [100.0%]", "[Loss]"})
        CHECK_MESSAGE(e.says(block), block);
    json config = json::parse(text_of(scratch / "run" / "config.json"));
    CHECK(config["lora_rank"] == 2);
    CHECK(config["model"] == golden("models/llama2-mha").string());
    for (const std::string& line : metrics(scratch / "run")) {
        json j = json::parse(line);
        for (const char* key : {"step", "epoch", "loss", "grad_norm", "lr", "tokens", "supervised_tokens"})
            CHECK(j.contains(key));
    }
    e = run(training(scratch / "lines", 2) + Arguments{"--log-to", "stdout"});
    CHECK(e.out.starts_with("[T] step 1 "));
    CHECK(std::count(e.out.begin(), e.out.end(), '\n') == 2);

    Exit again =
        run(Arguments{"train", "--config", scratch / "run" / "config.json", "--output-dir", scratch / "again"});
    CHECK_MESSAGE(again.code == 0, again.err);
    check_same_run(scratch / "run", scratch / "again");
}

TEST_CASE("command line: any number of ranks leaves the whole adapter") {
    Scratch scratch;
    Arguments untouched{"--lora-rank", "5", "--lr", "0", "--wd", "0"};  // ranks' parts of a unit differ in size
    for (const std::string ranks : {"cpu", "cpu,cpu", "cpu,cpu,cpu"})
        CHECK(run(training(scratch / ranks, 1) + untouched + Arguments{"--gpus", ranks}).code == 0);
    CHECK((adapter(scratch / "cpu,cpu") == adapter(scratch / "cpu")));
    CHECK((adapter(scratch / "cpu,cpu,cpu") == adapter(scratch / "cpu")));
}

TEST_CASE("command line: generate") {
    Arguments greedy =
        Arguments{"generate"} + model() + Arguments{"--temperature", "0", "--max-new-tokens", "5", "--ignore-eos"};
    json j = only_json(run(greedy + Arguments{"--prompt-ids", "1,445,474", "--json"}));
    REQUIRE(j.contains("ids"));
    CHECK(j["ids"].size() == 5);
    CHECK(j.size() == 2);
    Exit text = run(greedy + Arguments{"--prompt-ids", "1,445,474"});
    CHECK(text.out == j["text"].get<std::string>() + "\n");
    CHECK(text.beside_the_plan().empty());
    CHECK(only_json(run(greedy + Arguments{"--prompt", "a \"b\"\n", "--json"}))["ids"].size() == 5);
    refused(greedy + Arguments{"--prompt-ids", "1,512"}, "id 512, the vocabulary has 512");
    refused(greedy + Arguments{"--prompt", "a\xff"}, "is not UTF-8");
    refused(greedy + Arguments{"--chat", "a"}, "--chat-template");
}

TEST_CASE("command line: eval") {
    Arguments eval = Arguments{"eval"} + model_and_data() + Arguments{"--dataset-samples", "5"};
    json j = only_json(run(eval + Arguments{"--json"}));
    CHECK(j.size() == 3);
    CHECK(j["perplexity"].get<double>() == doctest::Approx(std::exp(j["loss"].get<double>())).epsilon(1e-12));
    CHECK(j["tokens"] == only_json(run(eval + Arguments{"--json", "--gpus", "cpu", "--batch-size", "3"}))["tokens"]);
    Exit text = run(eval);
    CHECK(text.out.starts_with("loss "));
    CHECK(text.beside_the_plan().empty());
}

TEST_CASE("command line: tokenize") {
    Scratch scratch;  // the tokenizer alone is enough
    fs::copy(golden("models/llama2-mha/tokenizer.json"), scratch / "tokenizer.json");
    auto tokenize = [&](const Arguments& more) { return run(Arguments{"tokenize", "--model", scratch / "."} + more); };
    json plain = only_json(tokenize({"--text", "Rain <s>", "--json"}));
    json whole = only_json(tokenize({"--text", "Rain <s>", "--json", "--add-special-tokens", "true"}));
    CHECK(plain["ids"].back() == 1);  // a special token that is written is one
    CHECK(whole["ids"].front() == 1);
    CHECK(whole["ids"].size() == plain["ids"].size() + 1);

    const std::vector<std::string> lines{" a ", "b\r", "", "\tc\v", "d"};
    std::string all, expected;
    for (const std::string& line : lines) {
        all += (all.empty() ? "" : "\n") + line;
        expected += only_json(tokenize({"--text", line, "--json"}))["ids"].dump() + "\n";
    }
    for (const char* end : {"", "\n"}) {
        write_text(scratch / "lines", all + end);
        Exit e = tokenize({"--lines", scratch / "lines"});
        CHECK(e.out == expected);
        CHECK(e.err.empty());
    }
    CHECK(plain["ids"] != only_json(tokenize({"--text", "Rain <s> ", "--json"}))["ids"]);
    write_text(scratch / "lines", "a\nb\xff\n");
    Exit bad = tokenize({"--lines", scratch / "lines"});
    CHECK(bad.code == 2);
    CHECK_MESSAGE(bad.says("lines:2: "), bad.err);
    write_text(scratch / "none", "");
    CHECK(tokenize({"--lines", scratch / "none"}).out.empty());

    fs::path data = golden("data/llama2-ragged.jsonl");
    Exit samples = tokenize({"--dataset", data, "--dataset-samples", "2"});
    CHECK(samples.code == 0);
    CHECK(samples.out.find("⟦") != std::string::npos);
    CHECK(samples.out.find('\x1b') == std::string::npos);
    samples = tokenize({"--dataset", data, "--dataset-samples", "2", "--json"});
    json first = json::parse(samples.out.substr(0, samples.out.find('\n')));
    CHECK(first["ids"].size() == first["labels"].size());
}

TEST_CASE("command line: results that cannot be written are a failure") {
    auto full = [] { ::dup2(::open("/dev/full", O_WRONLY), 1); };
    for (const Arguments& a :
         {Arguments{"tokenize", "--model", golden("models/llama2-mha"), "--text", "a"}, Arguments{"train", "--help"},
          Arguments{"generate"} + model() + Arguments{"--prompt", "a", "--max-new-tokens", "2"}}) {
        Exit e = run(a, full);
        CHECK(e.code == 1);
        CHECK_MESSAGE(e.says("No space left on device"), e.err);
    }
}

// The bytes of a plan are the same in every build, with CUDA and without: these are the program's own, of an earlier
// commit; a change that moves them says why.
TEST_CASE("command line: plan says what a run takes, on cards that are not here, and what would fit") {
    const Arguments cards{"--gpus",        "0,1",  "--gpu-memory", "22694MiB",
                          "--host-memory", "20GB", "--lora-rank",  "16"};
    const Arguments llama{"plan", "--model", "llama7b", "--context-length", "1024"};
    const json planned = only_json(run(llama + cards + Arguments{"--json"}));
    CHECK(planned["fits"] == true);
    REQUIRE(planned["ranks"].size() == 2);
    CHECK(planned["ranks"][1]["device"] == 1);
    std::int64_t most = 0;
    for (const auto& [category, bytes] : planned["ranks"][0]["peak"].items())
        most = std::max(most, bytes.get<std::int64_t>());
    CHECK(planned["ranks"][0]["peak"]["weights"] == most);
    CHECK(planned["ranks"][0]["bytes"] == 3360559104);

    const Exit text = run(llama + cards);
    CHECK(text.code == 0);
    for (const char* part :
         {"[Memory] planned", "[Largest] of rank 0", "shard.frozen", "it fits: ", "card 1 for rank 1"})
        CHECK_MESSAGE(text.out.find(part) != std::string::npos, text.out);
    // The same, as an option of train.
    CHECK(run(Arguments{"train", "--plan"} + Arguments(llama.begin() + 1, llama.end()) + cards).out == text.out);

    const Arguments large{"plan", "--model", "llama70b", "--context-length", "2048"};
    const Exit seventy = run(large + cards);
    CHECK(seventy.code == 0);
    CHECK_MESSAGE(seventy.out.find("so that it fits: --activations-on host\n") != std::string::npos, seventy.out);
    CHECK(run(large + cards + Arguments{"--low-memory"}).out.find("host weights") != std::string::npos);
    const Arguments on_device{"--activations-on", "device", "--weights-on", "device"};
    const Exit refused_run = run(large + cards + on_device);
    CHECK(refused_run.code == 3);
    CHECK_MESSAGE(refused_run.says("this fits: --activations-on host"), refused_run.err);
    const Exit as_json = run(large + cards + on_device + Arguments{"--json"});
    CHECK(as_json.code == 3);
    const json refusal = json::parse(as_json.out);
    CHECK(refusal["fits"] == false);
    CHECK(refusal["refusal"].get<std::string>().find("this fits") != std::string::npos);
    CHECK(run(large + cards + Arguments{"--train-type", "hqq_lora", "--n-bits", "3"}).code == 0);

    refused({"plan", "--gpus", "0,1,2,99"}, "is not here; give what such a card has with --gpu-memory");
    refused({"plan", "--gpus", "0,cpu", "--gpu-memory", "1GB"}, "mixes cpu and cards");
    refused({"plan", "--model", "nonsense"}, "no known name");
}

TEST_CASE("command line: plan with data plans for its samples") {
    const Arguments cpu{"plan", "--model", "demo", "--gpus", "cpu,cpu", "--host-memory", "2GB"};
    const Exit demo = run(cpu + Arguments{"--dataset", "demo"});
    CHECK(demo.code == 0);
    CHECK(demo.out != run(cpu).out);
}
