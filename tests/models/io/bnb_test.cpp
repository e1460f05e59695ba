#include "models/io/bnb.h"

#include <fmt/core.h>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "tests/models/io/stored_parts.h"
#include "tests/models/io/support.h"
#include "tests/quant/quantized.h"

using namespace tandem;
using namespace tandem::test;

namespace fs = std::filesystem;

namespace {

const char* projections[] = {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
                             "mlp.gate_proj",    "mlp.up_proj",      "mlp.down_proj"};

// Element i by the letter of FORMATS: one rounding per multiplication and addition.
float decoded(const Block4& spec, const Block4View& q, std::int64_t i) {
    std::uint8_t pair = q.codes[i / 2];
    float value = q.code_book[i % 2 == 0 ? pair >> 4 : pair & 15];
    std::int64_t block = i / spec.block;
    if (!spec.nested) return value * q.absmax[block];
    float scale = q.nested_map[q.absmax_codes[block]] * q.nested_absmax[block / spec.nested_block];
    return value * (scale + *q.offset);
}

// A weight [3, 43] in NF4 with double quantization: 129 elements, so 65 bytes of codes, 3 blocks.
StoredParts small_weight() {
    std::string state = R"({"quant_type": "nf4", "blocksize": 64, "dtype": "bfloat16", "shape": [3, 43], )"
                        R"("nested_blocksize": 256, "nested_dtype": "float32", "nested_offset": 0.25})";
    auto bytes = [](std::size_t n) { return std::string(n, '\x01'); };
    return {{"w", {DType::u8, {65, 1}, bytes(65)}},
            {"w.absmax", {DType::u8, {3}, bytes(3)}},
            {"w.quant_map", {DType::f32, {16}, bytes(64)}},
            {"w.nested_absmax", {DType::f32, {1}, bytes(4)}},
            {"w.nested_quant_map", {DType::f32, {256}, bytes(1024)}},
            {"w.quant_state.bitsandbytes__nf4", {DType::u8, {std::int64_t(state.size())}, state}}};
}

std::string find_error(const Scratch& s, const StoredParts& parts) {
    CheckpointFiles files = stored(s, parts);
    return message_of<InputError>([&] { find_bnb_weight(files, "w"); });
}

StoredParts with_state(const std::string& from, const std::string& to) {
    StoredParts parts = small_weight();
    StoredPart& state = parts.at("w.quant_state.bitsandbytes__nf4");
    REQUIRE(contains(state.bytes, from));
    state.bytes.replace(state.bytes.find(from), from.size(), to);
    state.dims = {std::int64_t(state.bytes.size())};
    return parts;
}

}  // namespace

// A weight is off by at most half the widest gap of its code book, times its block's absmax: NF4's widest gap is 0.304,
// FP4's is 1/3. Double quantization moves absmax by less than a tenth of the spread of a tensor's absmax, here well
// below 5 %.
TEST_CASE("bitsandbytes' weights decode to about the model they were made from") {
    CheckpointFiles dense = CheckpointFiles::open(golden / "models/llama2-mha");
    for (bool nested : {true, false}) {
        CheckpointFiles files =
            CheckpointFiles::open(golden / "models" / (nested ? "llama2-mha-bnb-nf4-double" : "llama2-mha-bnb-fp4"));
        CHECK_FALSE(find_bnb_weight(files, "lm_head.weight"));
        CHECK_FALSE(find_bnb_weight(files, "model.layers.0.input_layernorm.weight"));
        CHECK_FALSE(find_bnb_weight(files, "nothing"));
        for (const char* projection : projections) {
            std::string name = fmt::format("model.layers.2.{}.weight", projection);
            std::optional<StoredWeight> w = find_bnb_weight(files, name);
            REQUIRE(w);
            const Block4 spec{nested ? Block4::Book::nf4 : Block4::Book::fp4, nested};
            REQUIRE(w->spec == QuantSpec(spec));
            const TensorInfo& original = dense.get(name, std::vector{w->rows, w->cols});
            std::vector<float> want(std::size_t(w->rows * w->cols));
            to_float(original.dtype, dense.bytes(original), want);

            std::vector<std::byte> bytes(quant_bytes(w->spec, w->rows, w->cols), std::byte{0xff});
            w->copy(bytes);
            drop(files, *w);
            const std::span<const std::byte> codes = files.bytes(files.get(name));
            CHECK(std::memcmp(bytes.data(), codes.data(), codes.size()) == 0);
            const Block4View q(spec, w->rows * w->cols, bytes.data());
            double worst = 0;
            for (std::size_t block = 0; block < want.size(); block += 64) {
                double absmax = 0;
                for (std::size_t i = block; i < block + 64; i++) absmax = std::max(absmax, double(std::abs(want[i])));
                for (std::size_t i = block; i < block + 64; i++)
                    worst = std::max(worst, std::abs(decoded(spec, q, std::int64_t(i)) - want[i]) / absmax);
            }
            CHECK_MESSAGE(worst < (nested ? 0.152 + 0.05 : 1.0 / 6 + 1e-6), name);
            CHECK(worst > 0.1);
        }
    }
}

TEST_CASE("parts land in the layout, with zeros between them") {
    Scratch s;
    CheckpointFiles files = stored(s, small_weight());
    std::optional<StoredWeight> w = find_bnb_weight(files, "w");
    REQUIRE(w);
    CHECK(w->rows == 3);
    CHECK(w->cols == 43);
    const QuantParts parts = quant_parts(w->spec, 3, 43);
    std::vector<std::byte> bytes(parts.bytes(), std::byte{0xff});
    w->copy(bytes);
    auto ones = std::ranges::count(bytes, std::byte{1});
    CHECK(ones == 65 + 3 + 64 + 4 + 1024);
    CHECK(std::ranges::count(bytes, std::byte{0}) == std::ptrdiff_t(bytes.size()) - ones - 2);  // 0.25f is 0x3e800000
    const float offset = 0.25f;
    CHECK(std::memcmp(bytes.data() + parts[5].at, &offset, sizeof offset) == 0);
    bytes.pop_back();
    CHECK_THROWS_AS(w->copy(bytes), Error);
}

TEST_CASE("codes may have another storage dtype") {
    Scratch s;
    StoredParts parts = small_weight();
    parts.at("w.quant_state.bitsandbytes__nf4") =
        with_state("[3, 43]", "[4, 43]").at("w.quant_state.bitsandbytes__nf4");
    parts["w"] = {DType::bf16, {43, 1}, std::string(86, '\x01')};
    CHECK(find_error(s, parts) == "");
    parts["w"] = {DType::bf16, {44, 1}, std::string(88, '\x01')};
    CHECK(contains(find_error(s, parts), "'w' holds 88 bytes, its quant_state asks for 86"));
}

TEST_CASE("a part that is missing, of another type or size is an error that names it") {
    Scratch s;
    for (const auto& [name, part] : small_weight()) {
        StoredParts parts = small_weight();
        parts.erase(name);
        if (contains(name, "quant_state")) continue;
        CHECK_MESSAGE(contains(find_error(s, parts), "no tensor '" + name + "'"), name);
        parts = small_weight();
        std::size_t more = size_of(part.dtype);
        parts[name].bytes += std::string(more, '\x01');
        parts[name].dims = {std::int64_t(parts[name].bytes.size() / more)};
        CHECK_MESSAGE(contains(find_error(s, parts), "'" + name + "' holds"), name);
        if (name == "w") continue;
        parts = small_weight();
        parts[name].dtype = part.dtype == DType::u8 ? DType::i8 : DType::i32;
        CHECK_MESSAGE(contains(find_error(s, parts), "expected " + std::string(name_of(part.dtype))), name);
    }
    StoredParts both = small_weight();
    both["w.quant_state.bitsandbytes__fp4"] = both.at("w.quant_state.bitsandbytes__nf4");
    CHECK(contains(find_error(s, both), "both"));
}

TEST_CASE("a quant_state that says something else is an error that names the key") {
    Scratch s;
    const std::pair<const char*, const char*> changes[] = {
        {"\"nf4\"", "\"fp4\""},
        {"\"nf4\"", "4"},
        {"\"blocksize\": 64", "\"blocksize\": 63"},
        {"\"blocksize\": 64", "\"blocksize\": 16"},
        {"\"blocksize\": 64", "\"blocksize\": 8192"},
        {"\"blocksize\": 64", "\"blocksize\": \"64\""},
        {"\"bfloat16\"", "\"int8\""},
        {"\"shape\": [3, 43]", "\"shape\": [129]"},
        {"\"shape\": [3, 43]", "\"shape\": [3, -43]"},
        {"\"shape\": [3, 43]", "\"shape\": null"},
        {"\"shape\": [3, 43]", "\"shape\": [4611686018427387904, 4]"},
        {"\"nested_blocksize\": 256", "\"nested_blocksize\": 128"},
        {"\"nested_dtype\": \"float32\"", "\"nested_dtype\": \"float16\""},
        {"\"nested_offset\": 0.25", "\"nested_offset\": \"0\""},
        {"\"nested_offset\": 0.25", "\"nested_offset\": 1e300"}};
    for (auto [from, to] : changes) {
        std::string key(to == std::string("4") || to == std::string("\"fp4\"") ? "quant_type" : from);
        key = key[0] == '"' ? key.substr(1, key.find('"', 1) - 1) : key;
        if (key == "bfloat16") key = "dtype";
        std::string message = find_error(s, with_state(from, to));
        CHECK_MESSAGE(contains(message, "\"" + key + "\""), to << " -> " << message);
        CHECK(contains(message, "model.safetensors"));
    }
    CHECK(contains(find_error(s, with_state("}", "")), "not valid JSON"));
    CHECK(contains(find_error(s, with_state("}", "}\xff")), "not valid JSON"));
    stored(s, small_weight());
    const std::string file = read_file(s.path / "model.safetensors"),
                      state = small_weight().at("w.quant_state.bitsandbytes__nf4").bytes;
    with_flips(state, 1000, [&](const std::string& changed) {
        s.put("model.safetensors", std::string(file).replace(file.find(state), state.size(), changed));
        CheckpointFiles files = CheckpointFiles::open(s.path);
        message_of<InputError>([&] { find_bnb_weight(files, "w"); });
    });
}
