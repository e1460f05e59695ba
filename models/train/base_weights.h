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
    virtual std::optional<std::vector<std::byte>> parts(const TableEntry&) const { return {}; }
    // As it lies in a file, in a type that a card quantizes from; empty: values() alone has it.
    virtual std::optional<HostWeight> dense(const TableEntry&) const { return {}; }
    // In fp32, whatever it is held in.
    virtual std::vector<float> values(const TableEntry& e) const = 0;

    virtual void drop(const TableEntry&) const {}  // lets the pages of a dense tensor go
    [[noreturn]] virtual void refuse_nonfinite(const std::string& tensor) const = 0;
};

std::unique_ptr<BaseWeights> checkpoint_weights(const CheckpointFiles& files);
// Noise as a fresh model has it: N(0, 0.02) for matrices, ones for norms, zeros for biases.
std::unique_ptr<BaseWeights> random_weights(std::uint64_t seed);

}  // namespace tandem
