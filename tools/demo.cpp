#include "tools/demo.h"

namespace tandem {

namespace fs = std::filesystem;

namespace {
const fs::path folder = TANDEM_DEMO;
}

std::string data_place(const std::string& name) { return name == "demo" ? (folder / "data.jsonl").string() : name; }

std::string model_place(const std::string& name) { return name == "demo" ? (folder / "model").string() : name; }

void find_demo(ModelRecipe& recipe) { recipe.model = model_place(recipe.model); }

void find_demo(Recipe& recipe) {
    find_demo(static_cast<ModelRecipe&>(recipe));
    recipe.dataset = data_place(recipe.dataset);
    if (recipe.eval_dataset) recipe.eval_dataset = data_place(*recipe.eval_dataset);
}

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

}  // namespace tandem
