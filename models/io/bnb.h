// Weights that bitsandbytes has quantized to 4 bits (NF4, FP4, with or without double quantization) in a checkpoint.
#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "models/io/checkpoint_files.h"
#include "quant/quant_tensor.h"

namespace tandem {

// Spans point into the mapped shards, at any alignment.
struct BnbWeight {
    QuantSpec spec;
    std::int64_t rows = 0, cols = 0;  // the weight is [out, in]
    DType dtype = DType::f32;         // it had before it was quantized
    std::span<const std::byte> codes;          // u8[ceil(n/2)]
    std::span<const std::byte> absmax;         // f32[blocks], nested: u8[blocks]
    std::span<const std::byte> code_book;      // f32[16]
    std::span<const std::byte> nested_absmax;  // f32[ceil(blocks/256)], nested only, as are the next two
    std::span<const std::byte> nested_map;     // f32[256]
    float offset = 0;                          // mean of the absmax
};

// `weight` is the tensor's name, "….q_proj.weight". Empty where it has no quant_state, which is what tells that a
// weight is quantized (never its dtype). An InputError names the part that is missing or has a wrong size.
std::optional<BnbWeight> find_bnb_weight(const CheckpointFiles& files, const std::string& weight);

// Every weight of the checkpoint that is in 4 bits, by its tensor's name.
std::map<std::string, QuantSpec> bnb_weights(const CheckpointFiles& files);

// The names of the tensors that make up a weight quantized as `spec` says.
std::vector<std::string> bnb_tensors(const std::string& weight, const QuantSpec& spec);

// The name of the first tensor of scales that holds NaN or infinity; empty: none.
std::string nonfinite_tensor(const std::string& weight, const BnbWeight& w);

// Into the layout of quant_layout(spec, rows * cols); `to` has its size, bytes between the parts become zero.
void copy_bnb_weight(const BnbWeight& weight, std::span<std::byte> to);

void drop_bnb_weight(const CheckpointFiles& files, const std::string& weight);  // lets the pages of all parts go

}  // namespace tandem
