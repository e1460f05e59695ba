#include "models/io/stored_weight.h"

#include <algorithm>

#include "models/io/bnb.h"
#include "models/io/hqq.h"
#include "runtime/joined.h"

namespace tandem {

namespace {

// A foreign way of storing weights that are quantized.
struct Reader {
    std::string_view method, what;  // quant_method in config.json; of which what is read
    std::optional<StoredWeight> (*find)(const CheckpointFiles& files, const std::string& weight);
    // The weight that a tensor of this name says to be there; empty: none.
    std::string (*weight_of)(const std::string& tensor);
};
constexpr Reader readers[] = {
    {"bitsandbytes", "bitsandbytes in 4 bits (nf4, fp4)", find_bnb_weight, bnb_weight_of},
    {"hqq", "hqq", find_hqq_weight, hqq_weight_of},
};

}  // namespace

std::optional<StoredWeight> find_stored_weight(const CheckpointFiles& files, const std::string& weight) {
    for (const Reader& reader : readers)
        if (std::optional<StoredWeight> found = reader.find(files, weight)) return found;
    return {};
}

std::map<std::string, QuantSpec> stored_weights(const CheckpointFiles& files) {
    std::map<std::string, QuantSpec> weights;
    for (const TensorInfo* tensor : files.tensors())
        for (const Reader& reader : readers)
            if (const std::string weight = reader.weight_of(tensor->name); !weight.empty())
                if (std::optional<StoredWeight> found = reader.find(files, weight)) weights[weight] = found->spec;
    return weights;
}

bool is_read(std::string_view quant_method) { return std::ranges::count(readers, quant_method, &Reader::method) > 0; }

std::string read_methods() {
    std::vector<std::string> names;
    for (const Reader& reader : readers) names.emplace_back(reader.what);
    return joined(names);
}

std::string nonfinite_scales(const CheckpointFiles& files, const StoredWeight& weight) {
    for (const std::string& name : weight.scales) {
        const TensorInfo& tensor = files.get(name);
        std::vector<float> values(tensor.bytes / size_of(tensor.dtype));
        if (!to_float(tensor.dtype, files.bytes(tensor), values)) return name;
    }
    return "";
}

void drop(const CheckpointFiles& files, const StoredWeight& weight) {
    for (const std::string& name : weight.tensors) files.drop(files.get(name));
}

}  // namespace tandem
