// Writes a safetensors file one tensor at a time.
#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "models/io/files.h"
#include "models/io/safetensors_header.h"

namespace tandem {

struct TensorSpec {
    std::string name;
    DType dtype;
    std::vector<std::int64_t> dims;
};

class SafetensorsWriter {
  public:
    // The header comes first, so everything that will be written must be known. The layout is that of the reference
    // implementation: large element types first, then by name, a header of a multiple of 8 bytes, {"format": "pt"}.
    SafetensorsWriter(const std::filesystem::path& path, std::span<const TensorSpec> tensors);

    static std::uint64_t file_bytes(std::span<const TensorSpec> tensors);  // of such a file

    void write(std::string_view name, std::span<const std::byte> bytes);  // in any order, each tensor once
    void finish();  // only now the file has its name; without it nothing is left behind

  private:
    struct Slot {
        TensorInfo info;
        bool written = false;
    };
    OutputFile file_;
    std::vector<Slot> slots_;  // sorted by name
};

}  // namespace tandem
