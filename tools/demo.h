// What `./train` runs without arguments, and what `demo` names: the model and the data that ship with the program.
#pragma once
#include <filesystem>
#include <string>

#include "tools/options/train_options.h"

namespace tandem {

// Its folder is output/demo; what an earlier one left there is removed when this one begins (RunFolder).
void prepare_demo(TrainOptions& options);

// Puts the folder and the files that ship with the program in the place of the name `demo`.
std::string data_place(const std::string& name);
std::string model_place(const std::string& name);
void find_demo(ModelRecipe& recipe);
void find_demo(Recipe& recipe);

}  // namespace tandem
