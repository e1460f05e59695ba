// Runs that do not fit: refused before anything is taken, and what the refusal says is true.
#include <sys/resource.h>

#include "tests/support/train_process.h"

using namespace tandem::test;
namespace fs = std::filesystem;

namespace {

// What stands between `before` and `after` (a word, or the end of the line) in a text.
std::string between(const std::string& text, const std::string& before, const std::string& after) {
    std::size_t begin = text.find(before);
    if (begin == text.npos) return "";
    begin += before.size();
    return text.substr(begin, text.find(after, begin) - begin);
}

// Settings "--flag value …" in the place of those that are there.
Arguments with(Arguments a, const std::string& settings) {
    std::istringstream words(settings);
    for (std::string flag, value; words >> flag >> value;) {
        auto there = std::find(a.begin(), a.end(), flag);
        if (there == a.end()) a = a + Arguments{flag, value};
        else *std::next(there) = value;
    }
    return a;
}

Arguments with_memory(const Arguments& a, std::size_t bytes) {
    return with(a, "--host-memory " + std::to_string(bytes));
}

std::size_t bytes_needed(const Arguments& a) {
    Exit e = run(with_memory(a, 1));
    REQUIRE_MESSAGE(e.code == 3, e.err);
    CHECK(e.says("of host memory, but there are 1 (--host-memory)\n  largest: "));
    std::string bytes = between(e.err, "the run needs ", " bytes");
    REQUIRE_MESSAGE(!bytes.empty(), e.err);
    return std::stoull(bytes);
}

// Runs in exactly what it needs; with a byte less it is refused, and the change that is named then runs in that.
void check_tried_change(const Arguments& a, const std::string& expected) {
    CAPTURE(expected);
    const std::size_t needed = bytes_needed(a);
    Exit refused = run(with_memory(a, needed - 1));
    CHECK(refused.code == 3);
    CHECK(refused.out.empty());
    CHECK(refused.says("the run needs " + std::to_string(needed) + " bytes of host memory"));
    std::string change = between(refused.err, "\n  this fits: ", "\n");
    CHECK(change == expected);
    Exit changed = run(with(with_memory(a, needed - 1), change));
    CHECK_MESSAGE(changed.code == 0, changed.err);
    Exit exact = run(with_memory(a, needed));
    CHECK_MESSAGE(exact.code == 0, exact.err);
}

// As little as there is: then the smallest run is told, and by how much it is too large.
void check_smallest(const Arguments& a) {
    Exit refused = run(with_memory(a, 1000));
    CHECK(refused.code == 3);
    std::string smallest = between(refused.err, "nothing that was tried fits: the smallest, with ", ", is ");
    std::string missing = between(refused.err, ", is ", " bytes");
    CAPTURE(refused.err);
    REQUIRE(!missing.empty());
    Arguments small = with(with_memory(a, 1000 + std::stoull(missing)), smallest);
    Exit fits = run(small);
    CHECK_MESSAGE(fits.code == 0, fits.err);
    CHECK(run(with_memory(small, 999 + std::stoull(missing))).code == 3);
}

Arguments fresh_training(const fs::path& output) { return training(output, 1) + Arguments{"--resume", "never"}; }

Arguments evaluation() { return Arguments{"eval"} + model_and_data() + Arguments{"--gpus", "cpu,cpu"}; }

Arguments generation() {
    return {"generate", "--model",     golden("models/llama2-mha"), "--prompt-ids", "1,2,3", "--max-new-tokens", "4",
            "--gpus",   "cpu,cpu",     "--context-length",          "64",           "--threads", "2"};
}

}  // namespace

TEST_CASE("room: training in a byte too little is refused, and the change that is named runs") {
    Scratch scratch;
    int n = 0;
    auto check = [&](const std::string& settings, const std::string& change) {
        check_tried_change(with(fresh_training(scratch / std::to_string(n++)), settings), change);
    };
    check("--weights-on device", "--weights-on host");
    check("--sharding-strategy ddp", "--sharding-strategy full_shard");
    check("--weights-on host --sharding-strategy shard_grad_op", "--sharding-strategy full_shard");
    check("--weights-on host --use-gradient-checkpointing false", "--use-gradient-checkpointing true");
    check("--weights-on host --gpus cpu,cpu", "--prefetch 0");
    check("--weights-on host --prefetch 0", "--gpus cpu --gradient-accumulation-steps 2");
    check("--prefetch 0 --gpus cpu --batch-size 6 --gradient-accumulation-steps 3",
          "--batch-size 3 --gradient-accumulation-steps 6");
    check("--prefetch 0 --gpus cpu --batch-size 1", "--context-length 31 --truncate true");
}

TEST_CASE("room: evaluation and generation in a byte too little are refused, and the change that is named runs") {
    check_tried_change(with(evaluation(), "--weights-on device"), "--weights-on host");
    check_tried_change(with(evaluation(), "--weights-on host"), "--gpus cpu");
    check_tried_change(with(evaluation(), "--gpus cpu --batch-size 4"), "--batch-size 2");
    check_tried_change(with(evaluation(), "--gpus cpu"), "--train-type qlora");
    check_tried_change(with(generation(), "--weights-on device"), "--weights-on host");
    check_tried_change(with(generation(), "--weights-on host"), "--context-length 7");
    check_tried_change(with(generation(), "--weights-on host --context-length 7"), "--gpus cpu");
    check_tried_change(with(generation(), "--context-length 7 --gpus cpu"), "--train-type qlora");
}

TEST_CASE("room: places that are left open are the first that fit, and the run says which") {
    Scratch scratch;
    Arguments a = fresh_training(scratch / "run");
    const std::size_t needed = bytes_needed(a);  // with all of it on the devices
    Exit on_devices = run(with_memory(a, needed));
    CHECK(!on_devices.says("so that it fits"));
    const std::string adapter = text_of(scratch / "run/adapter/adapter_model.safetensors");
    Exit on_host = run(with_memory(a, needed - 1));
    CHECK_MESSAGE(on_host.code == 0, on_host.err);
    CHECK(on_host.says("[Memory] so that it fits: --weights-on host\n"));
    CHECK(on_host.says("\n  host weights  "));
    CHECK(text_of(scratch / "run/adapter/adapter_model.safetensors") == adapter);
    CHECK(run(with(with_memory(a, needed - 1), "--weights-on device")).code == 3);
    const std::size_t evaluating = bytes_needed(evaluation());
    Exit evaluated = run(with_memory(evaluation(), evaluating - 1));
    CHECK(evaluated.says("[Memory] so that it fits: --weights-on host\n"));
    CHECK(evaluated.says("\n  host weights  "));
}

TEST_CASE("room: where nothing fits, the smallest run is told, and runs in what it needs") {
    Scratch scratch;
    check_smallest(with(fresh_training(scratch / "run"), "--weights-on device --use-gradient-checkpointing false"));
    check_smallest(evaluation());
    check_smallest(generation());
}

TEST_CASE("room: a change is none where the data would have nothing supervised left") {
    Scratch scratch;
    std::string ids = "0", labels = "-100";
    for (int i = 1; i < 64; i++) ids += "," + std::to_string(i), labels += i < 40 ? ",-100" : "," + std::to_string(i);
    fs::path data = scratch.put("late.jsonl", "{\"input_ids\": [" + ids + "], \"labels\": [" + labels + "]}\n");
    Arguments a = with(training(scratch / "run", 1), "--prefetch 0 --gpus cpu --batch-size 1 --dataset " +
                                                         data.string());
    Exit refused = run(with_memory(a, bytes_needed(a) - 1));
    CHECK(refused.code == 3);
    CHECK(refused.says("nothing that was tried fits: the run as it is is 1 bytes"));
}

TEST_CASE("room: a run that goes on is told only what may differ, and may have other memory") {
    Scratch scratch;
    Arguments a = training(scratch / "run", 1), more = with(a, "--max-steps 2 --weights-on host");
    REQUIRE(run(with_memory(a, 1 << 30)).code == 0);
    const std::size_t needed = bytes_needed(more);
    Exit refused = run(with_memory(more, needed - 1));
    std::string change = between(refused.err, "\n  this fits: ", "\n");
    CHECK(change == "--prefetch 0");
    CHECK(run(with_memory(more, needed / 4)).says("nothing that was tried fits: the smallest, with --prefetch 0,"));
    Exit changed = run(with(with_memory(more, needed - 1), change));
    CHECK_MESSAGE(changed.code == 0, changed.err);
    CHECK(changed.says("resumed at step 1"));
}

TEST_CASE("room: a refused run leaves nothing behind") {
    Scratch scratch;
    CHECK(run(with_memory(training(scratch / "run", 1), 1000)).code == 3);
    CHECK(!fs::exists(scratch / "run"));
}

TEST_CASE("room: 70B is refused at once where it does not fit") {
    Scratch scratch;
    Arguments data{"--weights", "random", "--model", "llama70b", "--gpus", "cpu,cpu", "--host-memory", "24GB"};
    Arguments train = Arguments{"train", "--dataset", golden("data/llama2-ragged.jsonl"), "--output-dir",
                                (scratch / "run").string()};
    Program program(train + data);
    Exit e = program.wait(std::chrono::seconds(sanitized ? 60 : 10));  // filling takes minutes
    CHECK(e.code == 3);
    CHECK(e.says("largest: shard.frozen "));
    CHECK(e.says(" too large; "));
    CHECK(run(Arguments{"generate", "--prompt-ids", "1"} + data).code == 3);
}

TEST_CASE("room: the table counts weights on the host, loading and saving, on stderr") {
    Scratch scratch;
    Exit trained = run(with(training(scratch / "run", 1), "--weights-on mirror"));
    CHECK(trained.code == 0);
    for (std::string row : {"\n  host weights  ", "\n  loading  ", "\n  saving  ", "\n  host  "})
        CHECK(trained.says(row));
    Exit evaluated = run(evaluation() + Arguments{"--json", "--weights-on", "mirror"});
    CHECK(evaluated.says("[Memory] planned"));
    CHECK(evaluated.says("\n  host weights  "));
    CHECK(nlohmann::json::parse(evaluated.out).contains("loss"));
    Exit generated = run(generation() + Arguments{"--json"});
    CHECK(generated.says("[Memory] planned"));
    CHECK(!generated.says("\n  host weights  "));
    CHECK(nlohmann::json::parse(generated.out)["ids"].size() == 4);
}

TEST_CASE("room: a limit of address space is one of memory") {
    if (sanitized) return;  // a sanitizer maps terabytes
    Scratch scratch;
    auto limited = [](const Arguments& a, rlim_t bytes) {
        return run(a, [=] {
            rlimit l{bytes, bytes};
            ::setrlimit(RLIMIT_AS, &l);
        });
    };
    // What the program and its libraries map (cuBLASLt alone is hundreds of megabytes), found by looking.
    rlim_t own = 100'000'000;
    while (limited({"tokenize", "--text", "a"}, own).code != 0) own += 50'000'000;
    Arguments a = training(scratch / "run", 1);
    Exit refused = limited(a, own + 100'000'000);
    CHECK(refused.code == 3);
    CHECK(refused.says("bytes of address space, but there are "));
    CHECK(refused.says("(RLIMIT_AS, less what is mapped; see ulimit -v)\n  largest: threads "));
    std::size_t needed = std::stoull(between(refused.err, "the run needs ", " bytes"));
    Exit fits = limited(a, needed + own);
    CHECK_MESSAGE(fits.code == 0, fits.err);
}
