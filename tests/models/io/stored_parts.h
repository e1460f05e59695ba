// A checkpoint of a few tensors made by hand, such as the parts of a quantized weight.
#pragma once
#include <map>
#include <span>
#include <string>
#include <vector>

#include "models/io/checkpoint_files.h"
#include "models/io/safetensors_writer.h"
#include "tests/support/scratch.h"

namespace tandem::test {

struct StoredPart {
    DType dtype;
    std::vector<std::int64_t> dims;
    std::string bytes;
};
using StoredParts = std::map<std::string, StoredPart>;

inline CheckpointFiles stored(const Scratch& s, const StoredParts& parts) {
    std::vector<TensorSpec> specs;
    for (const auto& [name, part] : parts) specs.push_back({name, part.dtype, part.dims});
    SafetensorsWriter writer(s.path / "model.safetensors", specs);
    for (const auto& [name, part] : parts) writer.write(name, std::as_bytes(std::span(part.bytes)));
    writer.finish();
    return CheckpointFiles::open(s.path);
}

}  // namespace tandem::test
