#include "tools/options/train_options.h"

#include <doctest/doctest.h>

#include "runtime/error.h"
#include "tests/support/scratch.h"
#include "tools/options/command_line.h"
#include "tools/options/eval_options.h"
#include "tools/options/generate_options.h"
#include "tools/options/tokenize_options.h"

using namespace tandem;

namespace {

template <class Options> std::string errors(const std::vector<std::string>& arguments) {
    Options options;
    OptionSet set("test", "a test");
    try {
        CommandLine line{arguments};
        read_options(options, set, line);
    } catch (const InputError& e) {
        return e.what();
    }
    return "";
}

}  // namespace

const char* const defaults = R"({
    "model": "demo",
    "weights": "load",
    "train_type": "qlora",
    "precision": "bf16",
    "quant_type": "nf4",
    "double_quant": true,
    "n_bits": 4,
    "chat_template": null,
    "gpus": ["cpu", "cpu"],
    "gpu_memory": null,
    "host_memory": null,
    "weights_on": "auto",
    "threads": null,
    "context_length": 512,
    "batch_size": 1,
    "dataset": "demo",
    "dataset_samples": null,
    "shuffle": true,
    "packing": false,
    "truncate": false,
    "lora_rank": 64,
    "lora_alpha": 16,
    "lora_dropout": 0.1,
    "lora_target_modules": ["all"],
    "use_rslora": false,
    "init_adapter": null,
    "seed": 42,
    "max_steps": -1,
    "num_epochs": 1,
    "gradient_accumulation_steps": 1,
    "optimizer": "adamw",
    "lr": 1e-05,
    "wd": 0.1,
    "lr_scheduler": "constant",
    "apply_gradient_clipping": false,
    "grad_norm": 0.3,
    "sharding_strategy": "full_shard",
    "use_gradient_checkpointing": true,
    "activations_on": "auto",
    "use_cpu_offload": null,
    "use_activation_cpu_offload": null,
    "low_memory": null,
    "transport": "auto",
    "prefetch": 1,
    "output_dir": "output",
    "save_model": false,
    "resume": "auto",
    "checkpoint_every": 0,
    "keep": 2,
    "eval_dataset": null,
    "eval_every": 0,
    "sample_prompt": null,
    "trace": false,
    "world_size": -1,
    "log_to": "tqdm",
    "plan": false,
    "verbose": false
}
)";

TEST_CASE("train without arguments has fsdp_qlora's defaults") {
    TrainOptions o;
    OptionSet set("train", "fine-tune");
    CommandLine line{{"--gpus", "cpu,cpu"}};  // without it: all cards, if there are any
    CHECK(read_options(o, set, line) == OptionSet::Parsed::run);
    CHECK(set.json() == defaults);
}

TEST_CASE("all seven projections are adapted unless told otherwise") {
    CHECK(TrainOptions().lora_target_modules.names.size() == 7);
}

TEST_CASE("a command line of fsdp_qlora's is understood") {
    TrainOptions o;
    OptionSet set("train", "fine-tune");
    CommandLine line{{"--model_name",
                      "m",
                      "--dataset",
                      "d.jsonl",
                      "--train_type",
                      "custom_qlora",
                      "--batch_size",
                      "2",
                      "--world_size",
                      "2",
                      "--gradient_accumulation_steps",
                      "2",
                      "--precision",
                      "fp32",
                      "--lora_target_modules",
                      "default",
                      "--use_gradient_checkpointing",
                      "true",
                      "--log_to",
                      "stdout",
                      "--sharding_strategy",
                      "shard_grad_op",
                      "--lr_scheduler",
                      "cosine",
                      "--grad_norm",
                      "1",
                      "--max_steps",
                      "-1",
                      "--apply_gradient_clipping"}};
    read_options(o, set, line);
    CHECK(o.model == "m");
    CHECK(o.train_type == TrainType::qlora);
    CHECK(o.precision == Precision::fp32);
    CHECK(o.sharding_strategy == Strategy::shard_grad_op);
    CHECK(o.sharding_strategy < Strategy::full_shard);
    CHECK(o.lr_scheduler == LrSchedule::cosine);
    CHECK(o.log_to == LogTo::stdout_lines);
    CHECK(o.apply_gradient_clipping);
    CHECK(o.lora_target_modules.names == std::vector<std::string>{"q_proj", "v_proj"});
    CHECK(set.json().find("\"train_type\": \"qlora\"") != std::string::npos);
}

TEST_CASE("offload, in fsdp_qlora's words, contradicts places that are given otherwise") {
    auto e = errors<TrainOptions>;
    CHECK(e({"--use-cpu-offload", "--weights-on", "device"}) ==
          "--use-cpu-offload true contradicts --weights-on; leave one out");
    CHECK(e({"--use-cpu-offload", "false", "--weights-on", "device"}) == "");
    CHECK(e({"--use-activation-cpu-offload", "--activations-on", "device"}) ==
          "--use-activation-cpu-offload true contradicts --activations-on; leave one out");
    CHECK(e({"--low-memory", "false", "--use-cpu-offload"}) ==
          "--low-memory false contradicts --use-cpu-offload; leave one out");
    CHECK(e({"--use-cpu-offload", "--sharding-strategy", "ddp"})
              .starts_with("--weights-on host needs weights that are gathered"));
}

TEST_CASE("options of train that contradict each other") {
    auto e = errors<TrainOptions>;
    CHECK(e({"--train-type", "full", "--lora-rank", "64", "--use-rslora", "--quant-type", "nf4"}) ==
          "--quant-type needs --train-type qlora or hqq_lora: no other quantizes\n"
          "--lora-rank needs an adapter; --train-type full has none\n"
          "--use-rslora needs an adapter; --train-type full has none");
    CHECK(e({"--train-type", "lora", "--n-bits", "4"}) ==
          "--n-bits needs --train-type qlora or hqq_lora: no other quantizes");
    CHECK(e({"--train-type", "hqq_lora", "--quant-type", "nf4"}) ==
          "--train-type hqq_lora quantizes in hqq; for another --quant-type give qlora");
    CHECK(e({"--quant-type", "hqq", "--double-quant", "true"}) ==
          "--double-quant is for nf4 and fp4: hqq holds its scales in 16 bits");
    CHECK(e({"--n-bits", "3"}) == "--n-bits is for hqq: give --train-type hqq_lora; nf4 and fp4 have 4 bits");
    CHECK(e({"--train-type", "hqq_lora", "--n-bits", "6"}) == "--n-bits expected 8, 4, 3, 2 or 1");
    CHECK(e({"--train-type", "hqq_lora", "--n-bits", "9"}) ==
          "--n-bits expected an integer >= 1 and <= 8, got '9'");
    for (const char* bits : {"8", "4", "3", "2", "1"}) {
        CHECK(e({"--train-type", "hqq_lora", "--n-bits", bits}) == "");
        CHECK(e({"--train-type", "hqq_lora", "--quant-type", "hqq", "--n-bits", bits}) == "");
        CHECK(e({"--quant-type", "hqq", "--n-bits", bits, "--double-quant", "false"}) == "");
    }
    CHECK(e({"--n-bits", "4", "--quant-type", "fp4"}) == "");
    CHECK(e({"--world-size", "3", "--gpus", "cpu,cpu"}) ==
          "--world-size expected 2, one for each device of --gpus, got 3");
    CHECK(e({"--world-size", "1", "--gpus", "cpu"}) == "");
    CHECK(e({"--gpus", "x"}) == "--gpus expected cpu or numbers of cards, got 'x'");
    CHECK(e({"--gpus", "999"}).starts_with("--gpus names card 999, but this "));
    CHECK(e({"--gpus", "cpu,cpu", "--gpu-memory", "20GB"}) == "--gpu-memory is for cards; CPU ranks have none");
    CHECK(e({"--host-memory", "0"}) == "--host-memory expected a size such as 24GB");
    CHECK(e({"--gpus", "cpu", "--weights-on", "mirror"}) ==
          "--weights-on mirror needs two ranks or more; one holds all");
    CHECK(e({"--gpus", "cpu,cpu", "--weights-on", "mirror", "--sharding-strategy", "ddp"}) ==
          "--weights-on mirror needs weights that are gathered; ddp holds all of them on each device");
    CHECK(e({"--gpus", "cpu", "--weights-on", "host", "--sharding-strategy", "ddp"})
              .starts_with("--weights-on host needs weights that are gathered"));
    CHECK(e({"--activations-on", "host", "--use-gradient-checkpointing", "false"}) ==
          "--activations-on host is for the inputs of blocks that are computed again; --use-gradient-checkpointing "
          "false keeps everything on the device");
    CHECK(e({"--gpus", "cpu,cpu", "--transport", "nccl"}) ==
          "--transport peer and nccl are for cards; CPU ranks have host");
    CHECK(e({"--gpus", ""}) == "--gpus names no device; give one for each rank, such as cpu,cpu");
    CHECK(e({"--max-steps", "0"}) == "--max-steps expected -1 or at least 1, got 0");
    CHECK(e({"--model", "m"}) == "--dataset is missing; give the file of samples to train this model on");
    CHECK(e({"--model", "m", "--dataset", "d"}) == "");
    CHECK(e({"--eval-every", "5"}) == "--eval-every needs --eval-dataset");
    CHECK(e({"--grad-norm", "1"}) == "");
    CHECK(e({"--lora-target-modules", "q_proj,lm_head"}) ==
          "--lora-target-modules expected all, default or some of "
          "q_proj,k_proj,v_proj,o_proj,gate_proj,up_proj,down_proj, "
          "got 'q_proj,lm_head'");
    CHECK(e({"--lora-dropout", "1", "--lora-alpha", "0", "--context-length", "1", "--batch-size", "0", "--lr", "-1"}) ==
          "--context-length expected an integer >= 2 and <= 16777216, got '1'\n"
          "--batch-size expected an integer >= 1 and <= 1048576, got '0'\n"
          "--lora-alpha expected a number > 0, got '0'\n"
          "--lora-dropout expected a number >= 0 and < 1, got '1'\n"
          "--lr expected a number >= 0, got '-1'");
}

TEST_CASE("options of generate, eval and tokenize") {
    CHECK(errors<GenerateOptions>({"--chat", "Hi"}) == "");
    CHECK(errors<GenerateOptions>({"--prompt", ""}) == "");
    CHECK(errors<GenerateOptions>({}) == "give one of --prompt, --chat and --prompt-ids");
    CHECK(errors<GenerateOptions>({"--prompt", "a", "--chat", "b"}) == "give one of --prompt, --chat and --prompt-ids");
    CHECK(errors<GenerateOptions>({"--prompt-ids", "1,-2"}) == "--prompt-ids expected ids >= 0, got -2");
    CHECK(errors<GenerateOptions>({"--prompt-ids", ""}) == "--prompt-ids names no token");
    CHECK(errors<GenerateOptions>({"--prompt-ids", "1,2", "--train-type", "qlora", "--quant-type", "fp4", "--gpus",
                                   "cpu", "--threads", "1", "--precision", "fp32", "--temperature", "0", "--json"}) ==
          "");
    CHECK(errors<GenerateOptions>({"--prompt", "a", "--batch-size", "1"}) == "");
    CHECK(errors<GenerateOptions>({"--prompt", "a", "--batch-size", "2"}) ==
          "--batch-size expected 1, for one prompt, got 2");
    CHECK(errors<EvalOptions>({"--model", "m"}) == "--dataset is missing; give the file of samples to evaluate");
    CHECK(errors<EvalOptions>({"--model", "m", "--dataset", "d", "--adapter", "a", "--json"}) == "");
    CHECK(errors<TokenizeOptions>({"--text", "x", "--add-special-tokens", "true", "--json"}) == "");
    CHECK(errors<TokenizeOptions>({"--text", "x", "--lines", "y"}) == "give one of --text, --lines and --dataset");
    CHECK(errors<TokenizeOptions>({"--text", "x", "--dataset-samples", "2"}) == "--dataset-samples needs --dataset");
}

TEST_CASE("config.json of a run starts the same run again") {
    TrainOptions o, again;
    OptionSet set("train", "fine-tune"), second("train", "fine-tune");
    CommandLine line{{"--train-type", "full", "--lr", "1e-3", "--model", "m", "--dataset", "d"}};
    read_options(o, set, line);
    test::Scratch scratch;
    CommandLine from_file{{"--config", scratch.put("config.json", set.json())}};
    read_options(again, second, from_file);
    CHECK(second.json() == set.json());
    CHECK(second.differences(set.json()).empty());
}
