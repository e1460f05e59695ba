// A whole file in memory.
#pragma once
#include <filesystem>
#include <string>

namespace tandem {

std::string read_file(const std::filesystem::path& file);  // an InputError where it cannot be read

}  // namespace tandem
