// adapter_config.json.
#pragma once
#include <filesystem>
#include <string>

#include "models/io/peft.h"

namespace tandem {

AdapterConfig read_adapter_config(const std::filesystem::path& file);
std::string adapter_config_text(const AdapterConfig& config);

}  // namespace tandem
