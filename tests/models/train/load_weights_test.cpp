#include "models/train/load_weights.h"

#include <doctest/doctest.h>

#include <cmath>

#include "models/io/safetensors_writer.h"
#include "runtime/rng.h"
#include "tests/models/io/support.h"
#include "tests/support/golden_model.h"
#include "tests/support/model_variant.h"

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

Params small_llama(const ParamSetup& setup) {
    LlamaConfig c;
    c.hidden = 64, c.layers = 1, c.heads = 4, c.kv_heads = 2, c.head_dim = 16, c.intermediate = 172, c.vocab = 33;
    c.attention_bias = {.qkv = true, .o = true}, c.mlp_bias = true;
    return make_params(c, setup);
}
Params small_llama(const Block4& spec) {
    return small_llama({.compute = DType::bf16, .quant = QuantSpec(spec), .lora = {}});
}

struct BadWeight {
    std::string name;
    double value;
};

// Every tensor of the table in the type given, and in the middle of one of them what is no weight.
template <class T>
CheckpointFiles checkpoint(const std::filesystem::path& path, const Params& params, const BadWeight& bad = {}) {
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
            v[i] = T(uniform(random_bits(philox_key(7, e.site), {0, 0, 0, at})[0], 2.0f));
        }
        if (e.name == bad.name) v[v.size() / 2] = T(bad.value);
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
            std::size_t tile_bytes = LocalOptions{}.tile_bytes) {
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
    for (Block4::Book format : {Block4::Book::nf4, Block4::Book::fp4})
        for (bool nested : {false, true}) {
            const Params params = small_llama({.book = format, .nested = nested});
            const CheckpointFiles files = checkpoint<T>(scratch / "model.safetensors", params);
            check_same(load(params, &files, DeviceKind::cuda), load(params, &files, DeviceKind::cpu));
        }
}

TEST_CASE("noise is quantized on a card as on a CPU, and on the host where tiles are too small") {
    if (!has_card()) return;
    const Params params = small_llama(Block4());
    const Loaded want = load(params, nullptr, DeviceKind::cpu);
    check_same(load(params, nullptr, DeviceKind::cuda), want);
    check_same(load(params, nullptr, DeviceKind::cuda, 0), want);
    check_same(load(params, nullptr, DeviceKind::cuda, 4096), want);  // some of them
}

TEST_CASE_TEMPLATE("any weight that is not finite is named, on any device", T, bf16, f16, float, double) {
    Scratch scratch;
    const std::filesystem::path path = scratch / "model.safetensors";
    ParamSetup dense{.compute = DType::bf16, .quant = {}, .lora = {}}, trained = dense, quantized = dense;
    trained.train_base = true;
    quantized.quant = QuantSpec{};
    for (const ParamSetup& setup : {dense, trained, quantized}) {
        const Params params = small_llama(setup);
        CHECK(params.table.size() == 19);  // embedding, 2 norms, 7 weights and biases, norm, head
        for (const TableEntry& e : params.table)
            for (double bad : {HUGE_VAL, -HUGE_VAL, std::nan("")}) {
                const CheckpointFiles files = checkpoint<T>(path, params, {e.name, bad});
                const std::string message =
                    path.string() + ": " + e.name + " holds NaN or infinity; get a sound copy of the model";
                for (DeviceKind kind : device_kinds())
                    CHECK_THROWS_WITH_AS(load(params, &files, kind), message.c_str(), InputError);
            }
        const CheckpointFiles sound = checkpoint<T>(path, params);
        for (DeviceKind kind : device_kinds()) load(params, &sound, kind);
    }
}

TEST_CASE("a weight that is too large for fp32 is infinite there") {
    Scratch scratch;
    const Params params = small_llama({.compute = DType::bf16, .quant = {}, .lora = {}});
    for (double large : {1e300, -3.5e38}) {
        const CheckpointFiles files =
            checkpoint<double>(scratch / "model.safetensors", params, {"model.norm.weight", large});
        CHECK_THROWS_AS(load(params, &files, DeviceKind::cpu), InputError);
    }
    load(params, nullptr, DeviceKind::cpu);
}

TEST_CASE("the scales of a weight in 4 bits are looked at") {
    Scratch scratch;
    for (const char* name : {"llama2-mha-bnb-nf4-double", "llama2-mha-bnb-fp4"}) {
        ModelVariant sound(name);
        std::size_t scales = 0;
        for (const auto& [tensor, part] : sound.tensors) {
            if (!tensor.starts_with("model.layers.1.mlp.up_proj.weight.") || part.dtype != DType::f32) continue;
            scales++;
            for (float bad : {HUGE_VALF, -HUGE_VALF, std::nanf("")}) {
                ModelVariant m(name);
                m.set(tensor, part.bytes.size() / 4 - 1, bad);
                std::filesystem::path folder = m.write();
                std::string message =
                    message_of<InputError>([&] { GoldenRun({folder}, 1).run({1, 2, {1, 2}, {1, 2}}); });
                CHECK_MESSAGE(contains(message, "model.safetensors: " + tensor + " holds NaN or infinity"), message);
            }
        }
        CHECK(scales == (std::string(name).ends_with("fp4") ? 2 : 3));
    }
}
