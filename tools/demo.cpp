#include "tools/demo.h"

namespace tandem {

namespace fs = std::filesystem;

namespace {
const fs::path folder = TANDEM_DEMO;
}

fs::path data_file(const std::string& name) { return name == "demo" ? folder / "data.jsonl" : fs::path(name); }

std::string model_place(const std::string& name) { return name == "demo" ? (folder / "model").string() : name; }

void prepare_demo(TrainOptions& o) {
    o.output_dir = fs::path("output") / "demo";
    o.eval_dataset = (folder / "held_back.jsonl").string();
    o.num_epochs = 6;
    o.context_length = 128;
    o.batch_size = 4;
    o.lora_rank = 16;
    o.lora_alpha = 32;
    o.lora_dropout = 0.05;
    o.lr = 2e-3;
    o.lr_scheduler = LrSchedule::cosine;
    o.sample_prompt = "What does a mole eat?";  // the training data do not name it
    o.trace = true;
}

std::vector<std::int32_t> encode_prompt(const TextTools& text, const std::string& prompt) {
    if (!text.chat) return text.tokenizer->encode(prompt, SpecialTokens::add).ids;
    Rendered r = text.chat_template().render({{"user", prompt}}, text.special, GenerationPrompt::add);
    return encode_whole(*text.tokenizer, r.text).ids;
}

}  // namespace tandem
