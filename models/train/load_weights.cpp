#include "models/train/load_weights.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <set>

#include "models/train/base_weights.h"
#include "runtime/hash.h"
#include "runtime/joined.h"
#include "runtime/rng.h"

namespace tandem {

namespace {

// "….lora_A.weight" -> "…", the module's path
std::string module_of(const TableEntry& e) { return e.name.substr(0, e.name.rfind(".lora_")); }

// What torch.nn.init.kaiming_uniform_(a=sqrt(5)) draws: U(-1/sqrt(in), 1/sqrt(in)).
void initial_lora_a(const TableEntry& e, std::uint64_t seed, std::span<float> out) {
    PhiloxKey key = philox_key(seed, e.site);
    std::int64_t cols = e.param.shape[1];
    float bound = 1.0f / std::sqrt(float(cols));
    for (std::int64_t row = 0; row < e.param.shape[0]; row++)
        for (std::int64_t col = 0; col < cols; col++) {
            PhiloxBits bits = random_bits(key, {0, 0, std::uint32_t(row), std::uint32_t(col)});
            out[std::size_t(row * cols + col)] = uniform(bits[int(col % 4)], bound);
        }
}

// Elements of a tensor that are in fp32 at once, but for one whose row has more.
constexpr std::int64_t part_elements = 1 << 22;

// Of whole rows, so that a part's bytes are a multiple of eight wherever the tensor does not end with it.
std::int64_t part_of(const Shape& shape) {
    const std::int64_t cols = shape.rank() > 1 ? shape[shape.rank() - 1] : 1;
    const std::int64_t rows = std::max<std::int64_t>(1, part_elements / cols / 8) * 8;
    return std::min(shape.elements(), rows * cols);
}

class Loader {
  public:
    Loader(const WeightSource& source, std::span<LayerStore* const> stores, Context& ctx)
        : source_(source),
          base_(source.files ? checkpoint_weights(*source.files) : random_weights(source.seed)),
          stores_(stores), ctx_(ctx) {}

    void load(const TableEntry& e) {
        if (e.kind != TableEntry::Kind::base) return load_adapter(e);
        if (!e.quant) return load_in_parts(e);
        std::optional<std::vector<std::byte>> parts = base_->parts(e, pool());
        if (!parts) parts = quantized(e);
        hash_ += hash_bytes(*parts, hash_text(e.name));
        for (LayerStore* s : stores_) s->load_frozen(e.param.unit, std::size_t(e.param.offset), *parts);
    }
    std::uint64_t hash() const { return hash_; }

  private:
    ThreadPool& pool() const { return *ctx_.cpu().pool; }

    std::vector<std::byte> quantized(const TableEntry& e) {
        std::vector<std::byte> bytes(quant_bytes(*e.quant, e.param.shape[0], e.param.shape[1]));
        const std::optional<HostWeight> dense = base_->dense(e);
        if (!dense) throw Error(fmt::format("[load] {} is to be quantized, and its source does not hold it", e.name));
        ctx_.on_device([&](const auto& device) {
            if (!quantize_on(device, *e.quant, *dense, bytes)) base_->refuse_nonfinite(e.name);
        });
        base_->drop(e);
        return bytes;
    }

    static bool quantize_on(const CpuDevice& device, const QuantSpec& spec, const HostWeight& w,
                            std::span<std::byte> bytes) {
        return quantize(spec, w, bytes.data(), *device.pool);
    }
    // The parts of a toy's weight are mostly padding, and may not fit its tiles: the host makes the same bytes.
    bool quantize_on(const CudaDevice& device, const QuantSpec& spec, const HostWeight& w,
                     std::span<std::byte> bytes) const {
        if (w.dtype == DType::f64 || !fits_on_card(device, spec, w.rows, w.cols))
            return quantize_on(ctx_.cpu(), spec, w, bytes);
        return quantize(device, spec, w, bytes);
    }

    void load_in_parts(const TableEntry& e) {
        const std::int64_t all = e.param.shape.elements(), part = part_of(e.param.shape);
        std::vector<float> values(static_cast<std::size_t>(part));
        HashInParts hash(hash_text(e.name));
        for (std::int64_t first = 0; first < all; first += part) {
            const std::span<float> v = std::span(values).first(std::size_t(std::min(part, all - first)));
            base_->read(e, first, v, pool());
            if (e.param.trainable) store_masters(e, first, v, hash);
            else store_dense(e, first, v, hash);
        }
        hash_ += hash.value();
        base_->drop(e);
    }

    void store_masters(const TableEntry& e, std::int64_t first, std::span<const float> v, HashInParts& hash) {
        hash.add(std::as_bytes(v));
        for (LayerStore* s : stores_) s->load_trainable(e.param.unit, e.param.offset + first, std::as_bytes(v));
    }

    void store_dense(const TableEntry& e, std::int64_t first, std::span<const float> v, HashInParts& hash) {
        visit_compute(e.param.dtype, [&]<class T>() {
            std::vector<T> out(v.begin(), v.end());
            const std::span<const std::byte> bytes = std::as_bytes(std::span(out));
            hash.add(bytes);
            const std::size_t at = std::size_t(e.param.offset) + std::size_t(first) * sizeof(T);
            for (LayerStore* s : stores_) s->load_frozen(e.param.unit, at, bytes);
        });
    }

    void store_adapter(const TableEntry& e, const std::vector<float>& v) {
        for (LayerStore* s : stores_) s->load_trainable(e.param.unit, e.param.offset, std::as_bytes(std::span(v)));
    }

    void load_adapter(const TableEntry& e) {
        bool is_a = e.kind == TableEntry::Kind::lora_a;
        if (source_.adapter) {
            const AdapterModule& m = *source_.adapter->find(module_of(e));
            std::vector<float> v = is_a ? source_.adapter->a(m) : source_.adapter->b(m);
            if (has_nonfinite(v.data(), std::int64_t(v.size()), *ctx_.cpu().pool))
                throw InputError(fmt::format("{}: {} holds NaN or infinity; give the adapter of a sound run",
                                             source_.adapter->file().string(), e.name));
            return store_adapter(e, v);
        }
        std::vector<float> v(std::size_t(e.param.shape.elements()), 0.0f);
        if (is_a) initial_lora_a(e, source_.seed, v);
        store_adapter(e, v);
    }

    const WeightSource& source_;
    std::unique_ptr<BaseWeights> base_;
    std::span<LayerStore* const> stores_;
    Context& ctx_;
    std::uint64_t hash_ = 0;
};

}  // namespace

std::uint64_t load_weights(const Params& params, const WeightSource& source, std::span<LayerStore* const> stores,
                           int part, int parts, Context& ctx) {
    Loader loader(source, stores, ctx);
    for (std::size_t i = std::size_t(part); i < params.table.size(); i += std::size_t(parts)) {
        loader.load(params.table[i]);
        if (source.loaded) source.loaded(params.table[i].param.shape.elements());
    }
    return loader.hash();
}

std::size_t loading_bytes(const Params& params, const WeightSource& source, int part, int parts) {
    std::size_t most = 0;
    for (std::size_t i = std::size_t(part); i < params.table.size(); i += std::size_t(parts)) {
        const TableEntry& e = params.table[i];
        std::size_t bytes = std::size_t(e.param.shape.elements()) * sizeof(float);  // of an adapter
        if (e.quant) {
            bytes = quant_bytes(*e.quant, e.param.shape[0], e.param.shape[1]);
        } else if (e.kind == TableEntry::Kind::base) {
            bytes = std::size_t(part_of(e.param.shape)) * (sizeof(float) + size_of(e.param.dtype));
            if (source.files)
                if (const std::optional<StoredWeight> w = find_stored_weight(*source.files, e.name))
                    bytes += quant_bytes(w->spec, w->rows, w->cols);
        }
        most = std::max(most, bytes);
    }
    return most;
}

void check_adapter(const Params& params, const Adapter& adapter) {
    std::set<std::string> adapted;
    for (const TableEntry& e : params.table) {
        if (e.kind == TableEntry::Kind::base) continue;
        std::string module = module_of(e);
        const AdapterModule* m = adapter.find(module);
        std::int64_t rank = adapter.config().lora.rank;
        bool is_a = e.kind == TableEntry::Kind::lora_a;
        if (!m || e.param.shape != (is_a ? Shape{rank, m->in} : Shape{m->out, rank}))
            throw InputError(fmt::format("the adapter does not fit the model: {} has no {} of shape {}, which its "
                                         "target modules ask for; was it made for another model?",
                                         adapter.file().string(), e.name, e.param.shape.text()));
        adapted.insert(std::move(module));
    }
    for (const AdapterModule& m : adapter.modules()) {
        if (adapted.contains(m.path)) continue;
        bool known = std::ranges::count(projection_names(), m.path.substr(m.path.rfind('.') + 1)) > 0;
        throw InputError(
            known ? fmt::format("{} adapts '{}', and the model has no such module; was it made for another model?",
                                adapter.file().string(), m.path)
                  : fmt::format("{} adapts '{}'; only {} of the layers can be adapted here: merge the adapter into its "
                                "model with PEFT (merge_and_unload) and give the model that comes out",
                                adapter.file().string(), m.path, joined(projection_names())));
    }
}

}  // namespace tandem
