// What `./train` runs without arguments, and what `demo` names: the model and the data that ship with the program.
#pragma once
#include <filesystem>
#include <string>

#include "models/text/dataset/dataset.h"
#include "tools/options/train_options.h"

namespace tandem {

// Its folder is output/demo; what an earlier one left there is removed when this one begins (RunOutputs).
void prepare_demo(TrainOptions& options);

// What ships with the program for `demo`, else the name as it is.
std::filesystem::path data_file(const std::string& name);
std::string model_place(const std::string& name);

// One user turn through the chat template where there is one, else the text as it is.
std::vector<std::int32_t> encode_prompt(const TextTools& text, const std::string& prompt);

}  // namespace tandem
