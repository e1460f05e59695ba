#include "models/io/bnb.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <utility>

#include "models/io/json_fields.h"

namespace tandem {

namespace {

constexpr std::string_view parts[] = {"", ".absmax", ".quant_map", ".nested_absmax", ".nested_quant_map"};
constexpr std::size_t plain_parts = 3;  // without double quantization
constexpr std::string_view state_part = ".quant_state.bitsandbytes__";

std::string state_name(const std::string& weight, std::string_view format) {
    return fmt::format("{}{}{}", weight, state_part, format);
}

// bitsandbytes writes one of the two.
const TensorInfo* find_state(const CheckpointFiles& files, const std::string& weight) {
    const TensorInfo* nf4 = files.find(state_name(weight, "nf4"));
    const TensorInfo* fp4 = files.find(state_name(weight, "fp4"));
    if (nf4 && fp4)
        throw InputError(
            fmt::format("[bnb] {}: '{}' has both an nf4 and an fp4 quant_state", files.path().string(), weight));
    return nf4 ? nf4 : fp4;
}

std::string where(const CheckpointFiles& files, const TensorInfo& tensor) {
    return fmt::format("{}: '{}'", files.file_of(tensor).string(), tensor.name);
}

int block_size(const JsonFields& f, const char* key) {
    std::int64_t size = f.required(key, f.integer(key, {32, 4096}));
    if (!std::has_single_bit(std::uint64_t(size))) f.fail(key, fmt::format("must be a power of two, got {}", size));
    return int(size);
}

DType read_dtype(const JsonFields& f, const char* key) {
    static constexpr std::array<std::pair<std::string_view, DType>, 3> known{
        {{"float32", DType::f32}, {"bfloat16", DType::bf16}, {"float16", DType::f16}}};
    std::string name = f.required(key, f.text(key));
    for (auto [text, dtype] : known)
        if (name == text || name == fmt::format("torch.{}", text)) return dtype;
    f.fail(key, fmt::format("is '{}'; supported are float32, bfloat16, float16", name));
}

void read_nested(const JsonFields& f, BnbWeight& w) {
    w.spec.nested_block = block_size(f, "nested_blocksize");
    if (w.spec.nested_block != QuantSpec{}.nested_block)
        f.fail("nested_blocksize",
               fmt::format("is {}; supported is {}", w.spec.nested_block, QuantSpec{}.nested_block));
    if (read_dtype(f, "nested_dtype") != DType::f32) f.fail("nested_dtype", "must be float32");
    double offset = f.required("nested_offset", f.number("nested_offset"));
    if (std::abs(offset) > std::numeric_limits<float>::max()) f.fail("nested_offset", "is too large");
    w.offset = float(offset);
}

BnbWeight read_state(const CheckpointFiles& files, const TensorInfo& state) {
    std::span<const std::byte> bytes = files.bytes(state);
    std::string text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    Json json = parse_json(text, where(files, state));
    JsonFields f(json, where(files, state));
    BnbWeight w;
    std::string type = f.required("quant_type", f.text("quant_type"));
    if (!state.name.ends_with("__" + type))
        f.fail("quant_type", fmt::format("is '{}', against the tensor's name", type));
    w.spec.format = type == "nf4" ? WeightFormat::nf4 : WeightFormat::fp4;
    w.spec.block = block_size(f, "blocksize");
    w.dtype = read_dtype(f, "dtype");
    std::vector<std::int64_t> shape = f.required("shape", f.integers("shape", JsonFields::positive));
    if (shape.size() != 2) f.fail("shape", fmt::format("must have two sizes, got {}", text_of(shape)));
    w.rows = shape[0];
    w.cols = shape[1];
    w.spec.nested = f.is_set("nested_blocksize") || f.is_set("nested_offset");
    if (w.spec.nested) read_nested(f, w);
    return w;
}

// Of the dtype wanted; any dtype will do where none is.
std::span<const std::byte> part(const CheckpointFiles& files, const std::string& name, std::optional<DType> dtype,
                                std::int64_t bytes) {
    const TensorInfo& tensor = files.get(name);
    if (dtype && tensor.dtype != *dtype)
        throw InputError(
            fmt::format("[bnb] {} is {}, expected {}", where(files, tensor), name_of(tensor.dtype), name_of(*dtype)));
    if (tensor.bytes != std::size_t(bytes))
        throw InputError(fmt::format("[bnb] {} holds {} bytes, its quant_state asks for {}", where(files, tensor),
                                     tensor.bytes, bytes));
    return files.bytes(tensor);
}

}  // namespace

std::optional<BnbWeight> find_bnb_weight(const CheckpointFiles& files, const std::string& weight) {
    const TensorInfo* state = find_state(files, weight);
    if (!state) return std::nullopt;
    BnbWeight w = read_state(files, *state);
    std::int64_t n = w.rows * w.cols, blocks = (n + w.spec.block - 1) / w.spec.block;
    w.codes = part(files, weight, std::nullopt, (n + 1) / 2);
    w.code_book = part(files, weight + ".quant_map", DType::f32, 16 * 4);
    if (!w.spec.nested) {
        w.absmax = part(files, weight + ".absmax", DType::f32, blocks * 4);
        return w;
    }
    w.absmax = part(files, weight + ".absmax", DType::u8, blocks);
    std::int64_t outer = (blocks + w.spec.nested_block - 1) / w.spec.nested_block;
    w.nested_absmax = part(files, weight + ".nested_absmax", DType::f32, outer * 4);
    w.nested_map = part(files, weight + ".nested_quant_map", DType::f32, 256 * 4);
    return w;
}

std::map<std::string, QuantSpec> bnb_weights(const CheckpointFiles& files) {
    std::map<std::string, QuantSpec> weights;
    for (const TensorInfo* tensor : files.tensors()) {
        std::size_t at = tensor->name.rfind(state_part);
        if (at == std::string::npos) continue;
        std::string weight = tensor->name.substr(0, at);
        if (std::optional<BnbWeight> w = find_bnb_weight(files, weight)) weights[weight] = w->spec;
    }
    return weights;
}

std::vector<std::string> bnb_tensors(const std::string& weight, const QuantSpec& spec) {
    std::vector<std::string> names{state_name(weight, spec.format == WeightFormat::nf4 ? "nf4" : "fp4")};
    for (std::string_view part : std::span(parts).first(spec.nested ? std::size(parts) : plain_parts))
        names.push_back(fmt::format("{}{}", weight, part));
    return names;
}

std::string nonfinite_tensor(const std::string& weight, const BnbWeight& w) {
    const std::pair<std::string_view, std::span<const std::byte>> scales[] = {
        {".absmax", w.spec.nested ? std::span<const std::byte>() : w.absmax},  // nested: codes
        {".quant_map", w.code_book},
        {".nested_absmax", w.nested_absmax},
        {".nested_quant_map", w.nested_map}};
    for (const auto& [part, bytes] : scales) {
        std::vector<float> values(bytes.size() / sizeof(float));
        if (!to_float(DType::f32, bytes, values)) return fmt::format("{}{}", weight, part);
    }
    return "";
}

void copy_bnb_weight(const BnbWeight& w, std::span<std::byte> to) {
    QuantLayout layout = quant_layout(w.spec, w.rows * w.cols);
    if (to.size() != layout.bytes)
        throw Error(fmt::format("[bnb] expected {} bytes for a weight [{}, {}], got {}", layout.bytes, w.rows, w.cols,
                                to.size()));
    std::ranges::fill(to, std::byte{0});
    auto put = [&](const void* at, std::span<const std::byte> from) {
        std::ranges::copy(from, to.begin() + (static_cast<const std::byte*>(at) - to.data()));
    };
    QuantTensor q = quant_view(w.spec, w.rows, w.cols, to.data());
    put(q.codes, w.codes);
    put(q.code_book, w.code_book);
    if (!w.spec.nested) {
        put(q.absmax, w.absmax);
        return;
    }
    put(q.absmax_codes, w.absmax);
    put(q.nested_absmax, w.nested_absmax);
    put(q.nested_map, w.nested_map);
    put(q.offset, std::as_bytes(std::span(&w.offset, 1)));
}

void drop_bnb_weight(const CheckpointFiles& files, const std::string& weight) {
    for (std::string_view part : parts)
        if (const TensorInfo* tensor = files.find(fmt::format("{}{}", weight, part))) files.drop(*tensor);
}

}  // namespace tandem
