// The header of a safetensors file (https://github.com/huggingface/safetensors): which tensors it holds and where.
#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/dtype.h"

namespace tandem {

struct TensorInfo {
    std::string name;
    DType dtype = DType::f32;
    std::vector<std::int64_t> dims;  // outermost first, any rank
    std::size_t offset = 0;          // of its first byte, from the file's begin
    std::size_t bytes = 0;

    std::int64_t elements() const { return std::int64_t(bytes / size_of(dtype)); }
};

std::string text_of(std::span<const std::int64_t> dims);  // "[2, 3]"

namespace safetensors {

inline constexpr std::size_t max_header = 100'000'000;

struct Header {
    std::vector<TensorInfo> tensors;  // in the order of their bytes
    std::map<std::string, std::string> metadata;
};

// `file` is the whole file, `where` names it. An InputError says what the format forbids.
Header parse_header(std::span<const std::byte> file, const std::string& where);

std::string_view name_of(DType dtype);  // "BF16"

}  // namespace safetensors
}  // namespace tandem
