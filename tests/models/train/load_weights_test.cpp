#include "models/train/load_weights.h"

#include <doctest/doctest.h>

#include <cmath>

#include "models/io/safetensors_writer.h"
#include "tests/support/scratch.h"
#include "tests/support/test_rank.h"

using namespace tandem;
using namespace tandem::test;

namespace {

// Keeps what is loaded.
class LoadedBytes final : public LayerStore {
  public:
    explicit LoadedBytes(const std::vector<UnitLayout>& units) : units_(units) {
        for (const UnitLayout& u : units) frozen.emplace_back(u.frozen_bytes);
    }
    const std::vector<UnitLayout>& units() const override { return units_; }
    void schedule(std::span<const int>) override {}
    Lease acquire(int, Stream&) override { return {}; }
    GradLease gradients(int, Stream&) override { return {}; }
    TrainableRange trainable(int, Stream&) override { return {}; }
    void updated(Stream&) override {}
    void load_frozen(int unit, std::size_t offset, std::span<const std::byte> data) override {
        std::vector<std::byte>& to = frozen[std::size_t(unit)];
        REQUIRE(offset + data.size() <= to.size());
        std::copy(data.begin(), data.end(), to.begin() + std::ptrdiff_t(offset));
    }
    void load_trainable(int, std::int64_t, std::span<const std::byte>) override {}

    std::vector<std::vector<std::byte>> frozen;  // by unit

  private:
    std::vector<UnitLayout> units_;
};

Params small_llama(const QuantSpec& spec) {
    LlamaConfig c;
    c.hidden = 64, c.layers = 1, c.heads = 4, c.kv_heads = 2, c.head_dim = 16, c.intermediate = 172, c.vocab = 33;
    return make_params(c, {.compute = DType::bf16, .quant = spec});
}

// Every tensor of the table in the type given; `bad` goes into the middle of up_proj.
template <class T> CheckpointFiles checkpoint(const std::filesystem::path& path, const Params& params, float bad = 0) {
    std::vector<TensorSpec> specs;
    for (const TableEntry& e : params.table) {
        std::vector<std::int64_t> dims;
        for (int i = 0; i < e.param.shape.rank(); i++) dims.push_back(e.param.shape[i]);
        specs.push_back({e.name, dtype_of<T>, dims});
    }
    SafetensorsWriter writer(path, specs);
    for (const TableEntry& e : params.table) {
        std::vector<T> v(std::size_t(e.param.shape.elements()));
        for (std::size_t i = 0; i < v.size(); i++) {
            const auto at = std::uint32_t(4 * i);
            v[i] = T(normal(random_bits(philox_key(7, e.site), {0, 0, 0, at})).value[0]);
        }
        if (bad != 0 && e.name.ends_with("up_proj.weight")) v[v.size() / 2] = T(bad);
        writer.write(e.name, std::as_bytes(std::span(v)));
    }
    writer.finish();
    return CheckpointFiles::open(path);
}

struct Loaded {
    std::vector<std::vector<std::byte>> frozen;
    std::uint64_t hash;
};

Loaded load(const Params& params, const CheckpointFiles* files, DeviceKind kind,
            std::size_t tile_bytes = TestCard::tile_bytes) {
    TestRank rank(DType::bf16, 1, kind, tile_bytes);
    LoadedBytes store(params.units);
    LayerStore* stores[] = {&store};
    const std::uint64_t hash = load_weights(params, {files, nullptr, 3}, stores, 0, 1, rank.ctx);
    return {std::move(store.frozen), hash};
}

void check_same(const Loaded& a, const Loaded& b) {
    CHECK((a.frozen == b.frozen));
    CHECK(a.hash == b.hash);
    CHECK(a.hash != 0);
}

}  // namespace

TEST_CASE_TEMPLATE("a rank on a card loads the bytes that one on a CPU loads", T, bf16, f16, float, double) {
    if (!has_card()) return;
    Scratch scratch;
    for (WeightFormat format : {WeightFormat::nf4, WeightFormat::fp4})
        for (bool nested : {false, true}) {
            const Params params = small_llama({.format = format, .nested = nested});
            const CheckpointFiles files = checkpoint<T>(scratch / "model.safetensors", params);
            check_same(load(params, &files, DeviceKind::cuda), load(params, &files, DeviceKind::cpu));
        }
}

TEST_CASE("noise is quantized on a card as on a CPU, and on the host where tiles are too small") {
    if (!has_card()) return;
    const Params params = small_llama({});
    const Loaded want = load(params, nullptr, DeviceKind::cpu);
    check_same(load(params, nullptr, DeviceKind::cuda), want);
    check_same(load(params, nullptr, DeviceKind::cuda, 0), want);
    check_same(load(params, nullptr, DeviceKind::cuda, 4096), want);  // some of them
}

TEST_CASE("a weight that cannot be quantized is named, on any device") {
    Scratch scratch;
    const Params params = small_llama({});
    for (float bad : {std::numeric_limits<float>::infinity(), std::nanf("")}) {
        const CheckpointFiles files = checkpoint<bf16>(scratch / "model.safetensors", params, bad);
        for (DeviceKind kind : device_kinds())
            CHECK_THROWS_WITH_AS(load(params, &files, kind),
                                 "model.layers.0.mlp.up_proj.weight holds NaN or infinity and cannot be quantized; get "
                                 "a sound copy of the model",
                                 InputError);
    }
}
