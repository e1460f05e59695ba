#include "tools/options/suggest.h"

#include <doctest/doctest.h>

#include <map>
#include <set>

#include "runtime/error.h"
#include "tools/options/command_line.h"
#include "tools/options/eval_options.h"
#include "tools/options/generate_options.h"
#include "tools/options/tokenize_options.h"
#include "tools/options/train_options.h"

using namespace tandem;

namespace {

template <class Options> std::string errors(const char* command, std::vector<std::string> arguments) {
    Options options;
    OptionSet set(command, "");
    CommandLine line{std::move(arguments)};
    try {
        read_options(options, set, line);
    } catch (const InputError& e) {
        return e.what();
    }
    return "";
}

std::string in_any(const std::vector<std::string>& arguments) {
    std::string all;
    for (const std::string& said :
         {errors<TrainOptions>("train", arguments), errors<EvalOptions>("eval", arguments),
          errors<GenerateOptions>("generate", arguments), errors<TokenizeOptions>("tokenize", arguments)}) {
        if (said.find("unknown option") == said.npos) return said;
        all += said;
    }
    return all;
}

std::vector<std::string> words(std::string_view text) {
    std::vector<std::string> all;
    while (!text.empty()) {
        all.emplace_back(text.substr(0, text.find(' ')));
        text.remove_prefix(std::min(text.size(), all.back().size() + 1));
    }
    return all;
}

}  // namespace

TEST_CASE("every option that another name stands for is declared, and takes the value it stands for") {
    for (const OtherNames& other : other_names()) {
        if (other.option == "config" || other.option == "help") continue;
        std::string flag = OptionSet::flag(std::string(other.option));
        std::string said = in_any({flag, other.value.empty() ? "1" : std::string(other.value)});
        CHECK_MESSAGE(said.find("unknown option") == said.npos, said);
        if (!other.value.empty()) CHECK_MESSAGE(said.find(flag + " expected") == said.npos, said);
    }
}

TEST_CASE("another name stands once at an option, and is no option of its own there") {
    std::set<std::pair<std::string_view, std::string>> seen;
    for (const OtherNames& other : other_names())
        for (const std::string& name : words(other.names)) {
            CHECK_MESSAGE(!name.empty(), other.option);
            CHECK_MESSAGE(name != other.option, name);
            CHECK_MESSAGE(seen.insert({other.option, name}).second, name);
        }
    CHECK(seen.size() > 400);
}

TEST_CASE("options are suggested by what they mean elsewhere") {
    const std::map<std::string, std::string> train{
        {"--learning-rate", "--lr"}, {"--learning_rate=1e-4", "--lr"}, {"--learningRate", "--lr"},
        {"--epochs", "--num-epochs"}, {"--num_train_epochs", "--num-epochs"},
        {"--max-seq-length", "--context-length"}, {"--sequence_len", "--context-length"},
        {"--cutoff_len", "--context-length"}, {"--lora-r", "--lora-rank"}, {"-r", "--lora-rank"},
        {"--output", "--output-dir"}, {"-o", "--output-dir"}, {"--base-model", "--model"},
        {"--model_name_or_path", "--model"}, {"--per-device-train-batch-size", "--batch-size"},
        {"--micro_batch_size", "--batch-size"}, {"--warmup", "--lr-scheduler cosine"},
        {"--warmup_ratio", "--lr-scheduler cosine"}, {"--bf16", "--precision bf16"}, {"--fp16", "--precision bf16"},
        {"--load-in-4bit", "--train-type qlora"}, {"--load_in_8bit", "--train-type qlora"},
        {"--weight-decay", "--wd"}, {"--target-modules", "--lora-target-modules"}, {"--optim", "--optimizer"},
        {"--save-steps", "--checkpoint-every"}, {"--eval_steps", "--eval-every"},
        {"--save-total-limit", "--keep"}, {"--resume_from_checkpoint", "--resume"},
        {"--overwrite_output_dir", "--resume never"}, {"--validation-file", "--eval-dataset"},
        {"--train_file", "--dataset"}, {"--sample_packing", "--packing"},
        {"--gradient-checkpointing", "--use-gradient-checkpointing"}, {"--max_grad_norm", "--grad-norm"},
        {"--adapter", "--init-adapter"}, {"--device", "--gpus"}, {"--use-cpu", "--gpus cpu"},
        {"--no-shuffle", "--shuffle false"}, {"--optimizer.lr", "--lr"}, {"--training.batch_size", "--batch-size"},
        {"--learning-rte", "--lr"}, {"--report-to", "--log-to"}, {"--logging_steps", "--log-to stdout"},
        {"--config_file", "--config"}, {"--debug", "--verbose"}, {"--cpu-offload", "--weights-on mirror"},
    };
    for (const auto& [typed, meant] : train) {
        std::string name = typed.substr(0, typed.find('='));
        std::string said = errors<TrainOptions>("train", {typed});
        CHECK_MESSAGE(said.find("; did you mean " + meant + "?") != said.npos, name << ": " << said);
    }
    CHECK(errors<EvalOptions>("eval", {"--eval-dataset", "x", "--peft", "y"}) ==
          "unknown option --eval-dataset; did you mean --dataset?\nunknown option --peft; did you mean --adapter?");
    std::string said =
        errors<GenerateOptions>("generate", {"--chat", "a", "--max-tokens", "5", "--greedy", "--lora", "x"});
    CHECK(said ==
          "unknown option --max-tokens; did you mean --max-new-tokens?\nunknown option --greedy; did you mean "
          "--temperature 0?\nunknown option --lora; did you mean --adapter?");
    CHECK(errors<TokenizeOptions>("tokenize", {"--text", "a", "--file", "x", "--add-bos"}) ==
          "unknown option --file; did you mean --lines?\nunknown option --add-bos; did you mean --add-special-tokens?");
}
