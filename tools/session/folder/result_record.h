// result.json: which checkpoint the result in a run's folder (adapter/ or model/) is of, and what its files hold.
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>

namespace tandem {

inline constexpr const char* result_record_name = "result.json";

struct Result {
    std::filesystem::path folder;  // "run/adapter"; result.json stands beside it
    std::int64_t step = 0;
    std::uint64_t checkpoint = 0;  // Manifest::hash

    // Where it is written before it takes the place of an older one.
    std::filesystem::path partial() const;
};

// The finished files in `partial()` become the result. The record is written first: whatever happens between the two,
// a folder of other bytes than the record's is never taken for a result.
void publish(const Result& result);

// Whether the folder holds, byte for byte, what publish() left there for this checkpoint.
bool is_published(const Result& result);

}  // namespace tandem
