// The objects of a JSONL file, or of a JSON file that is one array of them, with the line where each starts.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

namespace tandem {

// Calls `record(text, line)` for each (blank lines are skipped) until it returns false. The text is that of one JSON
// value, not parsed. An InputError names file:line.
void for_each_record(const std::filesystem::path& file,
                     const std::function<bool(std::string_view text, std::int64_t line)>& record);

}  // namespace tandem
