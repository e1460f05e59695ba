// Where the base weights of a model come from, tensor by tensor: a checkpoint, or seeded noise.
#pragma once
#include <memory>
#include <optional>
#include <vector>

#include "models/io/stored_weight.h"
#include "models/llama/params.h"
#include "quant/quantize.h"

namespace tandem {

// NaN or infinity in a weight or in its scales is an InputError that names the tensor.
class BaseWeights {
  public:
    virtual ~BaseWeights() = default;

    // Its parts in their layout, where the source holds it in a weight format, which is then the entry's; empty: it
    // does not.
    virtual std::optional<std::vector<std::byte>> parts(const TableEntry&, ThreadPool&) const { return {}; }
    // As it lies in a file; empty: read() alone has it.
    virtual std::optional<HostWeight> dense(const TableEntry&) const { return {}; }
    // Elements [first, first + out.size()), in fp32, whatever they are held in; whole rows of a matrix.
    virtual void read(const TableEntry& e, std::int64_t first, std::span<float> out, ThreadPool& pool) const = 0;

    virtual void drop(const TableEntry&) const {}  // lets the pages of a tensor that was read go
    [[noreturn]] virtual void refuse_nonfinite(const std::string& tensor) const = 0;
};

std::unique_ptr<BaseWeights> checkpoint_weights(const CheckpointFiles& files);
// Noise about as a fresh model has it: of deviation 0.02 for matrices, ones for norms, zeros for biases. Quantized ones
// are drawn as codes and scales.
std::unique_ptr<BaseWeights> random_weights(std::uint64_t seed);

}  // namespace tandem
