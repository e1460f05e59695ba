#include <fmt/core.h>

#include "models/train/base_weights.h"

namespace tandem {

namespace {

class CheckpointWeights final : public BaseWeights {
  public:
    explicit CheckpointWeights(const CheckpointFiles& files) : files_(files) {}

    std::optional<std::vector<std::byte>> parts(const TableEntry& e) const override {
        const std::optional<StoredWeight> w = find_stored_weight(files_, e.name);
        if (!w) return {};
        return parts_of(*w);
    }

    std::optional<HostWeight> dense(const TableEntry& e) const override {
        const TensorInfo& info = files_.get(e.name);
        if (info.dtype == DType::f64) return {};
        return HostWeight{files_.bytes(info), info.dtype, e.param.shape[0], e.param.shape[1]};
    }

    std::vector<float> values(const TableEntry& e) const override {
        std::vector<float> v(std::size_t(e.param.shape.elements()));
        if (const std::optional<StoredWeight> w = find_stored_weight(files_, e.name)) {  // a head: held dense
            const std::vector<std::byte> bytes = parts_of(*w);
            dequantize(QuantTensor{w->spec, w->rows, w->cols, bytes.data()}, 0, std::int64_t(v.size()), v.data());
            return v;
        }
        const TensorInfo& info = files_.get(e.name);
        if (!to_float(info.dtype, files_.bytes(info), v)) refuse_nonfinite(e.name);
        files_.drop(info);
        return v;
    }

    void drop(const TableEntry& e) const override { files_.drop(files_.get(e.name)); }

    [[noreturn]] void refuse_nonfinite(const std::string& tensor) const override {
        throw InputError(fmt::format("{}: {} holds NaN or infinity; get a sound copy of the model",
                                     files_.file_of(files_.get(tensor)).string(), tensor));
    }

  private:
    std::vector<std::byte> parts_of(const StoredWeight& w) const {
        if (const std::string bad = nonfinite_scales(files_, w); !bad.empty()) refuse_nonfinite(bad);
        std::vector<std::byte> bytes(quant_bytes(w.spec, w.rows, w.cols));
        w.copy(bytes);
        tandem::drop(files_, w);
        return bytes;
    }

    const CheckpointFiles& files_;
};

}  // namespace

std::unique_ptr<BaseWeights> checkpoint_weights(const CheckpointFiles& files) {
    return std::make_unique<CheckpointWeights>(files);
}

}  // namespace tandem
