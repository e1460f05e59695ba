// What `./train` runs without arguments, and the names of data sets that ship with the program.
#pragma once
#include <filesystem>
#include <string>

#include "models/text/dataset/dataset.h"
#include "tools/options/train_options.h"

namespace tandem {

// Its folder is output/demo, made anew each time.
void prepare_demo(TrainOptions& options);

// A file as it is named, or a data set that ships with the program.
std::filesystem::path data_file(const std::string& name);

// One user turn through the chat template where there is one, else the text as it is.
std::vector<std::int32_t> encode_prompt(const TextTools& text, const std::string& prompt);

}  // namespace tandem
