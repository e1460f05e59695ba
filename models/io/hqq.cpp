#include "models/io/hqq.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "quant/codes.h"

namespace tandem {

namespace {

constexpr std::string_view codes_part = ".W_q";
constexpr std::int64_t most_elements = std::int64_t(1) << 48;

// What else hqq writes of a module. Of these nothing changes what a weight is.
constexpr const char* kept_facts[] = {"unpack_view_dtype", "compute_dtype", "view_as_float",     "round_zero",
                                      "channel_wise",      "optimize",      "offload_meta",      "encoded_state_dict",
                                      "quant_scale",       "quant_zero",    "stores_quant_config"};

// The codes of hqq's reshaped weight [rows, columns] lie in words, each with `per_word` codes of one column, from rows
// that are ceil(rows / per_word) apart; the first in the highest bits.
struct CodePacking {
    std::string_view name;
    int bits, per_word;
    std::size_t word_bytes;
};
constexpr CodePacking packings[] = {
    {"8bit_u8", 8, 1, 1}, {"4bit_u8", 4, 2, 1}, {"3bit_32", 3, 10, 4}, {"2bit_u8", 2, 4, 1}, {"1bit_u8", 1, 8, 1}};

// The tensors of one module.
class Module {
  public:
    Module(const CheckpointFiles& files, std::string path) : files_(files), path_(std::move(path)) {}

    std::string name(std::string_view part) const { return fmt::format("{}.{}", path_, part); }
    const TensorInfo* find(std::string_view part) const { return files_.find(name(part)); }
    const TensorInfo& get(std::string_view part) const { return files_.get(name(part)); }

    [[noreturn]] void fail(std::string_view part, const std::string& problem) const {
        const TensorInfo* tensor = find(part);
        throw InputError(fmt::format("[hqq] {}: '{}' {}", (tensor ? files_.file_of(*tensor) : files_.path()).string(),
                                     name(part), problem));
    }

    // Of the sizes and types that hqq writes numbers in.
    std::int64_t integer(std::string_view part) const {
        const TensorInfo& tensor = get(part);
        if (tensor.dtype == DType::i32 && tensor.bytes == 4) return read<std::int32_t>(tensor, 0);
        if (tensor.dtype == DType::u8 && tensor.bytes == 1) return read<std::uint8_t>(tensor, 0);
        fail(part, fmt::format("is {} of {} bytes, expected one i32", name_of(tensor.dtype), tensor.bytes));
    }
    std::array<std::int64_t, 2> shape() const {
        const TensorInfo& tensor = get("shape");
        if (tensor.dtype != DType::i64 || tensor.bytes != 16) fail("shape", "must be two i64");
        const std::array<std::int64_t, 2> s{read<std::int64_t>(tensor, 0), read<std::int64_t>(tensor, 1)};
        if (s[0] < 1 || s[1] < 1 || s[0] > most_elements / s[1])
            fail("shape", fmt::format("is [{}, {}], expected two sizes of a weight", s[0], s[1]));
        return s;
    }
    std::string text(std::string_view part) const {
        const TensorInfo& tensor = get(part);
        const std::span<const std::byte> bytes = files_.bytes(tensor);
        if (tensor.dtype != DType::u8 || bytes.size() > 64) fail(part, "must be a short text in u8");
        return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
    }
    bool is_set(std::string_view part) const { return find(part) && integer(part) != 0; }

  private:
    template <class T> T read(const TensorInfo& tensor, int i) const {
        T value;
        std::memcpy(&value, files_.bytes(tensor).data() + std::size_t(i) * sizeof(T), sizeof(T));
        return value;
    }

    const CheckpointFiles& files_;
    std::string path_;
};

const CodePacking& packing_of(const Module& m) {
    const std::string name = m.text("packing");
    for (const CodePacking& p : packings)
        if (p.name == name) return p;
    m.fail("packing", fmt::format("is '{}', expected 8bit_u8, 4bit_u8, 3bit_32, 2bit_u8 or 1bit_u8", name));
}

// As reshaped for packing.
struct Reshaped {
    std::int64_t rows, columns;
    std::int64_t words(const CodePacking& p) const { return (rows + p.per_word - 1) / p.per_word * columns; }
};

Reshaped reshaped(const Hqq& spec, std::int64_t elements) {
    const std::int64_t others = elements / spec.group;
    return spec.axis == 1 ? Reshaped{others, spec.group} : Reshaped{spec.group, others};
}

template <int bits> void unpack(const CodePacking& p, const Reshaped& m, const std::byte* words, std::byte* codes) {
    const std::int64_t apart = m.words(p) / m.columns;
    std::uint8_t eight[8];
    std::int64_t element = 0;
    for (std::int64_t row = 0; row < m.rows; row++) {
        const int shift = (p.per_word - 1 - int(row / apart)) * bits;
        const std::byte* from = words + std::size_t(row % apart * m.columns) * p.word_bytes;
        for (std::int64_t column = 0; column < m.columns; column++, from += p.word_bytes) {
            std::uint32_t word = 0;
            std::memcpy(&word, from, bits == 3 ? 4 : 1);
            eight[element % 8] = std::uint8_t(word >> shift & ((1u << bits) - 1));
            if (++element % 8 == 0) EightCodes<bits>(eight).store(codes, element / 8 - 1);
        }
    }
}

void refuse_quantized_scales(const Module& m) {
    for (const char* part : {"quant_scale", "quant_zero"})
        if (m.is_set(part))
            m.fail(part, "says that scales or zeros are quantized, which is not read; quantize the model again with "
                         "quant_scale and quant_zero false, as hqq 0.2.8 does");
}

Hqq read_spec(const Module& m, const CodePacking& packing, std::int64_t elements) {
    Hqq spec;
    spec.bits = packing.bits;
    const std::int64_t axis = m.integer("axis"), group = m.integer("group_size");
    if (axis != 0 && axis != 1) m.fail("axis", fmt::format("is {}, expected 0 or 1", axis));
    if (group < 8 || group % 8 != 0 || elements % group != 0)
        m.fail("group_size", fmt::format("is {}, expected a multiple of 8 that divides the weight's {} elements",
                                         group, elements));
    spec.axis = int(axis);
    spec.group = int(group);
    spec.meta = m.get("scale").dtype;
    if (spec.meta != DType::f32 && spec.meta != DType::bf16 && spec.meta != DType::f16)
        m.fail("scale", fmt::format("is {}, expected f32, bf16 or f16", name_of(spec.meta)));
    return spec;
}

void check_sizes(const Module& m, const Hqq& spec, const CodePacking& packing, std::int64_t elements) {
    const Reshaped weight = reshaped(spec, elements);
    if (spec.bits != 3 && weight.rows % packing.per_word != 0)
        m.fail("packing", fmt::format("is {}, which {} rows do not fill", packing.name, weight.rows));
    auto check = [&](std::string_view part, std::size_t bytes) {
        if (const std::size_t there = m.get(part).bytes; there != bytes)
            m.fail(part, fmt::format("holds {} bytes, the weight's other tensors ask for {}", there, bytes));
    };
    check("W_q", std::size_t(weight.words(packing)) * packing.word_bytes);
    for (const char* part : {"scale", "zero"}) {
        check(part, std::size_t(spec.groups(elements)) * size_of(spec.meta));
        if (m.get(part).dtype != spec.meta)
            m.fail(part, fmt::format("is {}, and the scales are {}", name_of(m.get(part).dtype), name_of(spec.meta)));
    }
}

}  // namespace

std::optional<StoredWeight> find_hqq_weight(const CheckpointFiles& files, const std::string& weight) {
    constexpr std::string_view suffix = ".weight";
    if (!weight.ends_with(suffix)) return {};
    const Module m(files, weight.substr(0, weight.size() - suffix.size()));
    if (!m.find("W_q")) return {};
    refuse_quantized_scales(m);
    const auto [rows, cols] = m.shape();
    const CodePacking& packing = packing_of(m);
    const Hqq spec = read_spec(m, packing, rows * cols);
    check_sizes(m, spec, packing, rows * cols);
    spec.check(rows * cols);
    StoredWeight w{.spec = spec, .rows = rows, .cols = cols, .scales = {m.name("scale"), m.name("zero")}};
    for (const char* part : {"W_q", "scale", "zero", "shape", "packing", "nbits", "group_size", "axis"})
        w.tensors.push_back(files.get(m.name(part)).name);
    for (const char* part : kept_facts)
        if (m.find(part)) w.tensors.push_back(m.name(part));
    const std::span<const std::byte> words = files.bytes(m.get("W_q")), scale = files.bytes(m.get("scale")),
                                     zero = files.bytes(m.get("zero"));
    w.copy = [spec, rows, cols, &packing, words, scale, zero](std::span<std::byte> to) {
        const QuantParts parts = spec.parts(rows, cols);
        if (to.size() != parts.bytes())
            throw Error(fmt::format("[hqq] expected {} bytes for a weight [{}, {}], got {}", parts.bytes(), rows, cols,
                                    to.size()));
        std::ranges::fill(to, std::byte{0});
        visit_code_bits(packing.bits, [&]<int bits>() {
            unpack<bits>(packing, reshaped(spec, rows * cols), words.data(), to.data());
        });
        std::ranges::copy(scale, to.begin() + std::ptrdiff_t(parts[1].at));
        std::ranges::copy(zero, to.begin() + std::ptrdiff_t(parts[2].at));
    };
    return w;
}

std::string hqq_weight_of(const std::string& tensor) {
    return tensor.ends_with(codes_part) ? tensor.substr(0, tensor.size() - codes_part.size()) + ".weight" : "";
}

}  // namespace tandem
