#include "models/io/hqq.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <iterator>
#include <set>

#include "quant/quantize.h"
#include "tests/models/io/stored_parts.h"
#include "tests/models/io/support.h"
#include "tests/safetensors_lite.h"

using namespace tandem;
using namespace tandem::test;

namespace {

std::vector<float> values_of(const StoredWeight& w) {
    std::vector<std::byte> bytes(quant_bytes(w.spec, w.rows, w.cols), std::byte{0xff});
    w.copy(bytes);
    std::vector<float> v(std::size_t(w.rows * w.cols));
    dequantize(QuantTensor{w.spec, w.rows, w.cols, bytes.data()}, 0, w.rows * w.cols, v.data());
    return v;
}

template <class T> std::string raw(const std::vector<T>& values) {
    return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}
StoredPart number(std::int32_t v) { return {DType::i32, {}, raw(std::vector{v})}; }
StoredPart flag(bool v) { return {DType::u8, {}, std::string(1, char(v))}; }
StoredPart text(const std::string& v) { return {DType::u8, {std::int64_t(v.size())}, v}; }

// A weight [4, 16] of 4 bits in groups of 16 as hqq writes it.
StoredParts small_weight() {
    return {{"w.W_q", {DType::u8, {2, 16}, std::string(32, '\x21')}},
            {"w.scale", {DType::f32, {4, 1}, raw(std::vector<float>{1, 2, 3, 4})}},
            {"w.zero", {DType::f32, {4, 1}, raw(std::vector<float>{0, 0, 0, 0.5f})}},
            {"w.shape", {DType::i64, {2}, raw(std::vector<std::int64_t>{4, 16})}},
            {"w.packing", text("4bit_u8")},
            {"w.nbits", number(4)},
            {"w.group_size", number(16)},
            {"w.axis", number(1)},
            {"w.quant_scale", flag(false)},
            {"w.quant_zero", flag(false)},
            {"w.unpack_view_dtype", text("torch.uint8")}};
}

}  // namespace

TEST_CASE("hqq's layers of any width, axis, group and type are read to the bits of their values") {
    const std::filesystem::path path = golden / "quant/hqq_modules.safetensors";
    const CheckpointFiles files = CheckpointFiles::open(path);
    const SafetensorsLite tensors(path);
    std::set<std::string> settings;
    for (const std::string& tensor : tensors.names()) {
        const std::string weight = hqq_weight_of(tensor);
        if (weight.empty()) continue;
        CAPTURE(weight);
        const std::string module = weight.substr(0, weight.rfind('.'));
        const std::optional<StoredWeight> w = find_stored_weight(files, weight);
        REQUIRE(w);
        CHECK(w->rows == 16);
        CHECK(w->cols == 60);
        CHECK(values_of(*w) == tensors.get<float>(module + ".values"));
        CHECK(w->tensors.size() == 19);  // all but `values`
        const Hqq spec = std::get<Hqq>(w->spec);
        CHECK(module.find(".axis" + std::to_string(spec.axis) + ".g" + std::to_string(spec.group) + ".") !=
              module.npos);
        settings.insert(std::to_string(spec.bits) + std::string(name_of(spec.meta)) + std::to_string(spec.axis));
    }
    CHECK(settings.size() == 5 * 4);  // five widths, and f32, f16 | f32, bf16 along the two axes
}

TEST_CASE("hqq: packed codes of the reference, byte for byte") {
    const SafetensorsLite reference(golden / "quant/hqq.safetensors");
    const std::map<int, std::string> packings{{8, "8bit_u8"}, {4, "4bit_u8"}, {3, "3bit_32"}, {2, "2bit_u8"}};
    for (const auto& [bits, packing] : packings)
        for (int axis : {0, 1}) {
            const std::string name = "b" + std::to_string(bits) + ".axis" + std::to_string(axis) + ".";
            CAPTURE(name);
            StoredParts p = small_weight();
            p["w.W_q"] = {bits == 3 ? DType::i32 : DType::u8, reference.shape(name + "packed"),
                          raw(reference.get<char>(name + "packed"))};
            for (const char* part : {"scale", "zero"})
                p[std::string("w.") + part] = {DType::f32, reference.shape(name + part),
                                               raw(reference.get<float>(name + part))};
            p["w.shape"].bytes = raw(std::vector<std::int64_t>{96, 128});
            p["w.packing"] = text(packing);
            p["w.nbits"] = number(bits);
            p["w.group_size"] = number(64);
            p["w.axis"] = number(axis);
            const Scratch s;
            const CheckpointFiles files = stored(s, p);
            const std::optional<StoredWeight> w = find_hqq_weight(files, "w.weight");
            REQUIRE(w);
            CHECK(values_of(*w) == reference.get<float>(name + "dequant"));
        }
}

TEST_CASE("hqq: a part that is missing, of another size or type, or quantized itself is named") {
    struct Case {
        const char* tensor;
        std::optional<StoredPart> part;  // none: not there
        const char* why;
    };
    const std::string four(16, '\0');
    for (const Case& c : {
             Case{"w.scale", {}, "w.scale"},
             {"w.zero", {}, "w.zero"},
             {"w.shape", {}, "w.shape"},
             {"w.packing", {}, "w.packing"},
             {"w.axis", {}, "w.axis"},
             {"w.group_size", {}, "w.group_size"},
             {"w.nbits", {}, "w.nbits"},
             {"w.W_q", StoredPart{DType::u8, {2, 15}, std::string(30, 'x')}, "'w.W_q' holds 30 bytes"},
             {"w.scale", StoredPart{DType::f32, {3, 1}, std::string(12, '\0')}, "'w.scale' holds 12 bytes"},
             {"w.scale", StoredPart{DType::u8, {4, 1}, std::string(4, '\0')}, "'w.scale' is u8, expected f32"},
             {"w.zero", StoredPart{DType::i32, {4, 1}, four}, "'w.zero' is i32, and the scales are f32"},
             {"w.zero", StoredPart{DType::f16, {4, 1}, std::string(8, '\0')}, "'w.zero' holds 8 bytes"},
             {"w.shape", StoredPart{DType::i64, {1}, std::string(8, '\1')}, "'w.shape' must be two i64"},
             {"w.shape", StoredPart{DType::i64, {2}, raw(std::vector<std::int64_t>{-4, 16})}, "'w.shape' is [-4, 16]"},
             {"w.shape", StoredPart{DType::i64, {2}, raw(std::vector{1ll << 40, 1ll << 40})}, "'w.shape' is"},
             {"w.packing", text("5bit_u8"), "'w.packing' is '5bit_u8'"},
             {"w.packing", text(std::string(100, 'x')), "'w.packing' must be a short text"},
             {"w.packing", text("1bit_u8"), "'w.packing' is 1bit_u8, which 4 rows do not fill"},
             {"w.packing", text("2bit_u8"), "'w.W_q' holds 32 bytes"},
             {"w.axis", number(2), "'w.axis' is 2"},
             {"w.axis", StoredPart{DType::f32, {}, std::string(4, '\0')}, "'w.axis' is f32"},
             {"w.group_size", number(12), "'w.group_size' is 12"},
             {"w.group_size", number(-16), "'w.group_size' is -16"},
             {"w.group_size", number(48), "'w.group_size' is 48"},
             {"w.quant_scale", flag(true), "'w.quant_scale' says that scales or zeros are quantized"},
             {"w.quant_zero", flag(true), "'w.quant_zero' says that scales or zeros are quantized"},
         }) {
        StoredParts p = small_weight();
        if (c.part) p[c.tensor] = *c.part;
        else p.erase(c.tensor);
        const Scratch s;
        const CheckpointFiles files = stored(s, p);
        const std::string message = message_of<InputError>([&] { find_hqq_weight(files, "w.weight"); });
        CHECK_MESSAGE(contains(message, c.why), message);
        if (c.part) CHECK_MESSAGE(contains(message, "model.safetensors"), message);
    }
    const Scratch s;
    const CheckpointFiles files = stored(s, small_weight());
    CHECK(find_hqq_weight(files, "w.weight"));
    CHECK_FALSE(find_hqq_weight(files, "w"));
    CHECK_FALSE(find_hqq_weight(files, "v.weight"));
    const std::vector<float> v = values_of(*find_hqq_weight(files, "w.weight"));
    CHECK(v[0] == 2);
    CHECK(v[63] == (1 - 0.5f) * 4);
}

TEST_CASE("hqq: a damaged checkpoint is refused or read, whatever its bytes") {
    const Scratch s;
    (void)stored(s, small_weight());
    const std::filesystem::path file = s.path / "model.safetensors";
    int read = 0, refused = 0;
    std::ifstream in(file, std::ios::binary);
    const std::string whole{std::istreambuf_iterator<char>(in), {}};
    with_flips(whole, 20000, [&](const std::string& changed) {
        s.put("model.safetensors", changed);
        try {
            const CheckpointFiles files = CheckpointFiles::open(file);
            if (const std::optional<StoredWeight> w = find_hqq_weight(files, "w.weight")) (void)values_of(*w);
            read++;
        } catch (const InputError&) {
            refused++;
        }
    });
    CHECK(read > 500);
    CHECK(refused > 1000);
}
