// One safetensors file, mapped into memory: nothing is read before it is used.
#pragma once
#include <cstddef>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "models/io/safetensors_header.h"

namespace tandem {

class SafetensorsFile {
  public:
    // Checks all of the header; an InputError names the file and what is wrong with it.
    static SafetensorsFile open(const std::filesystem::path& path);
    SafetensorsFile(SafetensorsFile&&) noexcept;
    SafetensorsFile& operator=(SafetensorsFile&&) noexcept;
    ~SafetensorsFile();

    const std::filesystem::path& path() const { return path_; }
    const std::vector<TensorInfo>& tensors() const { return header_.tensors; }  // in the order of their bytes
    const std::map<std::string, std::string>& metadata() const { return header_.metadata; }

    const TensorInfo* find(std::string_view name) const;        // null: not in this file
    std::span<const std::byte> bytes(const TensorInfo&) const;  // little endian, at any alignment
    void drop(const TensorInfo&) const;                         // lets its pages go; a later read maps them again

  private:
    SafetensorsFile() = default;
    std::filesystem::path path_;
    std::span<const std::byte> map_;
    safetensors::Header header_;
    std::unordered_map<std::string_view, std::size_t> index_;  // names live in header_.tensors
};

// Converts a tensor's bytes of type f64, f32, bf16 or f16. False where a value is NaN or infinite in f32; it is
// converted all the same.
bool to_float(DType dtype, std::span<const std::byte> from, std::span<float> to);

}  // namespace tandem
