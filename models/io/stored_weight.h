// Weights that a checkpoint holds in a weight format already, whoever quantized them.
#pragma once
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "models/io/checkpoint_files.h"
#include "quant/formats.h"

namespace tandem {

struct StoredWeight {
    QuantSpec spec;
    std::int64_t rows = 0, cols = 0;  // [out, in]
    std::vector<std::string> tensors = {};  // that make it up
    std::vector<std::string> scales = {};   // of these those that hold numbers: none may be NaN or infinite
    // Into the layout of its parts; the span has quant_bytes(spec, rows, cols). As long as the files are open.
    std::function<void(std::span<std::byte>)> copy = {};
};

// `weight` is the tensor's name, "….q_proj.weight". Empty where the checkpoint holds it dense, or not at all. An
// InputError names the part that is missing or has a wrong size.
std::optional<StoredWeight> find_stored_weight(const CheckpointFiles& files, const std::string& weight);

// Whether weights of config.json's quant_method are read.
bool is_read(std::string_view quant_method);
std::string read_methods();  // for errors

// Every weight of the checkpoint that is in a weight format, by its tensor's name.
std::map<std::string, QuantSpec> stored_weights(const CheckpointFiles& files);

// The first of its scales that holds NaN or infinity; empty: none.
std::string nonfinite_scales(const CheckpointFiles& files, const StoredWeight& weight);

void drop(const CheckpointFiles& files, const StoredWeight& weight);  // lets the pages of all its tensors go

}  // namespace tandem
