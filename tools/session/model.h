// The model that a recipe names: its shape, weights and text tools, checked before anything runs.
#pragma once
#include <filesystem>
#include <memory>
#include <optional>

#include "models/io/checkpoint_files.h"
#include "models/io/peft.h"
#include "models/llama/graph.h"
#include "models/text/dataset/dataset.h"
#include "tools/session/recipe.h"

namespace tandem {

struct Model {
    std::string name;                        // as given
    LlamaConfig config;
    std::filesystem::path folder;            // empty: an alias whose files are not needed (--weights random)
    std::optional<CheckpointFiles> weights;  // none: random
    std::unique_ptr<Tokenizer> tokenizer;    // null: the folder has none
    TextTools text;                          // of use only with a tokenizer
    std::vector<std::string> notes;          // where its tensors decided against config.json, a line each

    const TextTools* text_tools() const { return tokenizer ? &text : nullptr; }
    // What ends a text: EOS of config.json and generation_config.json, else the tokenizer's; an answer in a chat ends
    // at the template's end token as well, which a base model's files need not know.
    std::vector<int> eos_ids() const;
    std::vector<int> chat_eos_ids() const;
};

// An InputError says where it looked, or which file is wrong.
Model open_model(const ModelRecipe& recipe);

// Only what tokenizer.json needs: the folder may hold nothing else.
std::unique_ptr<Tokenizer> open_tokenizer(const std::filesystem::path& folder,
                                          std::int64_t model_vocabulary = INT64_MAX);
TextTools text_tools(const std::filesystem::path& folder, const Tokenizer& tokenizer,
                     const std::optional<std::string>& chat_template);

DType compute_type(Precision precision);

// How the base weights are held: each as a checkpoint with 4-bit weights holds it; else in 4 bits if asked for.
WeightFormats base_quant(const Model& model, const ModelRecipe& recipe);

// An InputError where the model attends over fewer tokens than `longest`, of `what`: the graph attends over all.
void check_window(const Model& model, std::int64_t longest, const char* what);

// Which of its target modules it has nothing for, as a sentence; empty: there are none.
std::string note_of(const Adapter& adapter);
LoraSpec lora_spec(const Adapter& adapter);  // an InputError for DoRA

// One user turn through the chat template where there is one, else the text as it is.
std::vector<std::int32_t> encode_prompt(const TextTools& text, const std::string& prompt);

// On a rank: for documents of up to `positions` tokens.
Llama make_llama(Context& ctx, const LlamaConfig& config, const Params& params, std::int64_t positions);

}  // namespace tandem
