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

constexpr std::int64_t most_elements = std::int64_t(1) << 48;

struct State {
    Block4 spec;
    std::int64_t rows = 0, cols = 0;
    float offset = 0;  // mean of the absmax
};

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

void read_nested(const JsonFields& f, State& w) {
    w.spec.nested_block = block_size(f, "nested_blocksize");
    if (w.spec.nested_block != Block4{}.nested_block)
        f.fail("nested_blocksize",
               fmt::format("is {}; supported is {}", w.spec.nested_block, Block4{}.nested_block));
    if (read_dtype(f, "nested_dtype") != DType::f32) f.fail("nested_dtype", "must be float32");
    double offset = f.required("nested_offset", f.number("nested_offset"));
    if (std::abs(offset) > std::numeric_limits<float>::max()) f.fail("nested_offset", "is too large");
    w.offset = float(offset);
}

State read_state(const CheckpointFiles& files, const TensorInfo& state) {
    std::span<const std::byte> bytes = files.bytes(state);
    std::string text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    Json json = parse_json(text, where(files, state));
    JsonFields f(json, where(files, state));
    State w;
    std::string type = f.required("quant_type", f.text("quant_type"));
    if (!state.name.ends_with("__" + type))
        f.fail("quant_type", fmt::format("is '{}', against the tensor's name", type));
    w.spec.book = type == "nf4" ? Block4::Book::nf4 : Block4::Book::fp4;
    w.spec.block = block_size(f, "blocksize");
    read_dtype(f, "dtype");  // of the weight before it was quantized: one that is known
    std::vector<std::int64_t> shape = f.required("shape", f.integers("shape", JsonFields::positive));
    if (shape.size() != 2) f.fail("shape", fmt::format("must have two sizes, got {}", text_of(shape)));
    if (shape[0] > most_elements / shape[1]) f.fail("shape", fmt::format("is too large: {}", text_of(shape)));
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

std::optional<StoredWeight> find_bnb_weight(const CheckpointFiles& files, const std::string& weight) {
    const TensorInfo* tensor = find_state(files, weight);
    if (!tensor) return std::nullopt;
    const State state = read_state(files, *tensor);
    const Block4& spec = state.spec;
    StoredWeight w{.spec = spec, .rows = state.rows, .cols = state.cols, .tensors = {tensor->name}};
    std::map<std::string_view, std::span<const std::byte>> stored;
    for (const QuantPart& p : spec.parts(w.rows, w.cols)) {
        const std::string_view name = p.name;
        if (name == "nested_offset") continue;  // it is in the quant_state
        const bool codes = name == "codes";
        w.tensors.push_back(codes ? weight : fmt::format("{}.{}", weight, name));
        stored[name] =
            part(files, w.tensors.back(), codes ? std::nullopt : std::optional(p.dtype), std::int64_t(p.bytes()));
        if (p.dtype == DType::f32) w.scales.push_back(w.tensors.back());
    }
    w.copy = [state, stored](std::span<std::byte> to) {
        const QuantParts parts = state.spec.parts(state.rows, state.cols);
        if (to.size() != parts.bytes())
            throw Error(fmt::format("[bnb] expected {} bytes for a weight [{}, {}], got {}", parts.bytes(), state.rows,
                                    state.cols, to.size()));
        std::ranges::fill(to, std::byte{0});
        for (const QuantPart& p : parts) {
            const auto found = stored.find(p.name);
            const auto bytes = found != stored.end() ? found->second : std::as_bytes(std::span(&state.offset, 1));
            std::ranges::copy(bytes, to.begin() + std::ptrdiff_t(p.at));
        }
    };
    return w;
}

std::string bnb_weight_of(const std::string& tensor) {
    const std::size_t at = tensor.rfind(state_part);
    return at == tensor.npos ? "" : tensor.substr(0, at);
}

}  // namespace tandem
