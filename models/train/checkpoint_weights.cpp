#include <fmt/core.h>

#include "models/train/base_weights.h"

namespace tandem {

namespace {

class CheckpointWeights final : public BaseWeights {
  public:
    explicit CheckpointWeights(const CheckpointFiles& files) : files_(files) {}

    std::optional<std::vector<std::byte>> parts(const TableEntry& e, ThreadPool&) const override {
        const std::optional<StoredWeight> w = find_stored_weight(files_, e.name);
        if (!w) return {};
        return parts_of(*w);
    }

    std::optional<HostWeight> dense(const TableEntry& e) const override {
        const TensorInfo& info = files_.get(e.name);
        return HostWeight{files_.bytes(info), info.dtype, e.param.shape[0], e.param.shape[1]};
    }

    void read(const TableEntry& e, std::int64_t first, std::span<float> out, ThreadPool&) const override {
        if (const std::optional<StoredWeight> w = find_stored_weight(files_, e.name)) {  // a head: held dense
            if (stored_of_ != e.name) stored_ = parts_of(*w);
            stored_of_ = e.name;
            dequantize(QuantTensor{w->spec, w->rows, w->cols, stored_.data()}, first, std::int64_t(out.size()),
                       out.data());
            return;
        }
        const TensorInfo& info = files_.get(e.name);
        const std::size_t each = size_of(info.dtype);
        if (!to_float(info.dtype, files_.bytes(info).subspan(std::size_t(first) * each, out.size() * each), out))
            refuse_nonfinite(e.name);
    }

    void drop(const TableEntry& e) const override {
        if (stored_of_ != e.name) return files_.drop(files_.get(e.name));
        stored_.clear();
        stored_.shrink_to_fit();
        stored_of_.clear();
    }

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
    mutable std::string stored_of_;  // the tensor of which read() holds the parts
    mutable std::vector<std::byte> stored_;
};

}  // namespace

std::unique_ptr<BaseWeights> checkpoint_weights(const CheckpointFiles& files) {
    return std::make_unique<CheckpointWeights>(files);
}

}  // namespace tandem
