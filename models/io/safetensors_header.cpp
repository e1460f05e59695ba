#include "models/io/safetensors_header.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <tuple>
#include <unordered_set>
#include <utility>

#include "runtime/json.h"
#include "runtime/utf8.h"

namespace tandem {

std::string text_of(std::span<const std::int64_t> dims) { return fmt::format("[{}]", fmt::join(dims, ", ")); }

namespace safetensors {

using nlohmann::json;

namespace {

struct Named {
    std::string_view name;
    DType dtype;
};
constexpr std::array<Named, 15> dtypes{{{"F64", DType::f64}, {"F32", DType::f32}, {"BF16", DType::bf16},
    {"F16", DType::f16}, {"I64", DType::i64}, {"I32", DType::i32}, {"I16", DType::i16}, {"I8", DType::i8},
    {"U64", DType::u64}, {"U32", DType::u32}, {"U16", DType::u16}, {"U8", DType::u8}, {"BOOL", DType::boolean},
    {"F8_E4M3", DType::f8_e4m3}, {"F8_E5M2", DType::f8_e5m2}}};

std::optional<DType> dtype_named(std::string_view name) {
    for (const Named& d : dtypes)
        if (d.name == name) return d.dtype;
    return std::nullopt;
}

// A tensor's entry as far as it has been read.
struct Entry {
    std::string name;
    std::optional<DType> dtype;
    std::optional<std::vector<std::uint64_t>> dims, offsets;
};

// Follows the parser's events instead of a document tree, because a tree keeps one of two equal keys silently.
class HeaderReader final : public nlohmann::json_sax<json> {
  public:
    explicit HeaderReader(const std::string& where) : where_(where) {}

    std::vector<Entry> entries;
    std::map<std::string, std::string> metadata;

    bool null() override { return other("null"); }
    bool boolean(bool) override { return other("a boolean"); }
    bool number_integer(number_integer_t) override { return other("a negative number"); }
    bool number_float(number_float_t, const string_t&) override { return other("a fractional or too large number"); }
    bool binary(binary_t&) override { return other("binary data"); }
    bool number_unsigned(number_unsigned_t n) override {
        if (state_ != State::dims && state_ != State::offsets) return other("a number");
        (state_ == State::dims ? entries.back().dims : entries.back().offsets)->push_back(n);
        return true;
    }
    bool string(string_t& s) override {
        if (state_ == State::metadata) {
            metadata[key_] = std::move(s);
            return true;
        }
        if (state_ != State::field || key_ != "dtype") return other("a string");
        entries.back().dtype = dtype_named(s);
        if (!entries.back().dtype) fail(fmt::format("tensor '{}' has the unknown dtype '{}'", entries.back().name, s));
        return true;
    }
    bool start_object(std::size_t) override {
        if (state_ == State::begin) {
            state_ = State::top;
        } else if (state_ == State::top && key_ == "__metadata__") {
            state_ = State::metadata;
            keys_.clear();
        } else if (state_ == State::top) {
            state_ = State::field;
            entries.push_back({key_, {}, {}, {}});
            keys_.clear();
        } else {
            return open("an object");
        }
        return true;
    }
    bool end_object() override {
        if (state_ == State::skip) return close();
        if (state_ == State::field) complete(entries.back());
        state_ = state_ == State::top ? State::end : State::top;
        return true;
    }
    bool start_array(std::size_t) override {
        if (state_ != State::field || (key_ != "shape" && key_ != "data_offsets")) return open("an array");
        state_ = key_ == "shape" ? State::dims : State::offsets;
        (state_ == State::dims ? entries.back().dims : entries.back().offsets).emplace();
        return true;
    }
    bool end_array() override {
        if (state_ == State::skip) return close();
        state_ = State::field;
        return true;
    }
    bool key(string_t& k) override {
        if (state_ == State::skip) return true;
        bool fresh = state_ == State::top ? names_.insert(k).second : keys_.insert(k).second;
        if (!fresh) fail(fmt::format("the name '{}' stands there twice{}", k, inside()));
        key_ = std::move(k);
        return true;
    }
    bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception& e) override {
        std::string_view what = e.what();
        what.remove_prefix(std::min(what.size(), what.find("] ") + 2));
        fail(fmt::format("its header is not valid JSON: {}", excerpt(what, 240)));
    }

    [[noreturn]] void fail(const std::string& what) const {
        throw InputError(fmt::format("[safetensors] {}: {}", where_, what));
    }

  private:
    enum class State { begin, top, metadata, field, dims, offsets, skip, end };

    std::string inside() const { return state_ == State::field ? " in tensor '" + entries.back().name + "'" : ""; }
    bool unknown_field() const { return key_ != "dtype" && key_ != "shape" && key_ != "data_offsets"; }

    // A scalar that no rule above takes: fine as the value of an unknown field, else an error.
    bool other(const char* what) const {
        if (state_ == State::skip || (state_ == State::field && unknown_field())) return true;
        if (state_ == State::begin) fail(fmt::format("its header must be an object, got {}", what));
        if (state_ == State::metadata)
            fail(fmt::format("the metadata value '{}' must be a string, got {}", key_, what));
        fail(fmt::format("unexpected {} as '{}'{}", what, key_, inside()));
    }
    bool open(const char* what) {
        if (!other(what)) return false;
        if (state_ == State::field) state_ = State::skip;
        if (++depth_ > Json::most_levels) fail(fmt::format("its header is nested deeper than {} levels", depth_ - 1));
        return true;
    }
    bool close() {
        if (--depth_ == 0) state_ = State::field;
        return true;
    }
    void complete(const Entry& e) const {
        const char* missing = !e.dtype ? "dtype" : !e.dims ? "shape" : !e.offsets ? "data_offsets" : nullptr;
        if (missing) fail(fmt::format("tensor '{}' has no {}", e.name, missing));
        if (e.offsets->size() != 2)
            fail(fmt::format("tensor '{}' has {} data_offsets, expected 2", e.name, e.offsets->size()));
    }

    const std::string& where_;
    State state_ = State::begin;
    int depth_ = 0;  // inside the value of an unknown field
    std::string key_;
    std::unordered_set<std::string> names_, keys_;
};

std::uint64_t checked_bytes(const Entry& e, const HeaderReader& reader) {
    constexpr std::uint64_t most = std::numeric_limits<std::int64_t>::max();
    std::uint64_t bytes = size_of(*e.dtype);
    for (std::uint64_t d : *e.dims) {
        if (d > most || __builtin_mul_overflow(bytes, d, &bytes) || bytes > most)
            reader.fail(fmt::format("the shape of tensor '{}' overflows", e.name));
    }
    return bytes;
}

// The offset still counts from the end of the header.
TensorInfo checked_tensor(Entry& e, const HeaderReader& reader) {
    std::uint64_t first = (*e.offsets)[0], last = (*e.offsets)[1], bytes = checked_bytes(e, reader);
    if (last < first) reader.fail(fmt::format("tensor '{}' ends at {}, before it begins at {}", e.name, last, first));
    if (last - first != bytes)
        reader.fail(
            fmt::format("tensor '{}' holds {} bytes, its dtype and shape need {}", e.name, last - first, bytes));
    return {std::move(e.name), *e.dtype, {e.dims->begin(), e.dims->end()}, first, bytes};
}

std::vector<TensorInfo> place(std::vector<Entry> entries, std::size_t data_begin, std::size_t data_bytes,
                              const HeaderReader& reader) {
    std::vector<TensorInfo> tensors;
    for (Entry& e : entries) tensors.push_back(checked_tensor(e, reader));
    std::ranges::sort(tensors, {}, [](const TensorInfo& t) { return std::tie(t.offset, t.bytes, t.name); });
    std::size_t end = 0;
    for (TensorInfo& t : tensors) {
        if (t.offset != end) {
            const char* what = t.offset < end ? "overlaps the tensor before it" : "leaves a hole before it";
            reader.fail(fmt::format("tensor '{}' begins at {}, expected {}: it {}", t.name, t.offset, end, what));
        }
        end += t.bytes;
        t.offset += data_begin;
    }
    if (end != data_bytes)
        reader.fail(fmt::format("its tensors take {} bytes, the file has {}: it is {}", end, data_bytes,
                                end > data_bytes ? "truncated" : "followed by other bytes"));
    return tensors;
}

}  // namespace

Header parse_header(std::span<const std::byte> file, const std::string& where) {
    HeaderReader reader(where);
    if (file.size() < 8) reader.fail(fmt::format("{} bytes are too short for a safetensors file", file.size()));
    std::uint64_t length = 0;
    for (int i = 7; i >= 0; i--) length = length << 8 | std::uint64_t(file[std::size_t(i)]);
    if (length > max_header) reader.fail(fmt::format("its header length {} is above {}", length, max_header));
    if (length > file.size() - 8)
        reader.fail(fmt::format("its header length {} is past the file's end ({} bytes)", length, file.size()));
    std::string_view text(reinterpret_cast<const char*>(file.data()) + 8, std::size_t(length));
    // The parser would skip a byte order mark and take a NUL byte for the end.
    if (!text.starts_with('{')) reader.fail("its header does not begin with '{'");
    if (text.find('\0') != text.npos) reader.fail("its header is not valid JSON: a NUL byte");
    json::sax_parse(text, &reader);
    std::size_t begin = 8 + std::size_t(length);
    return {place(std::move(reader.entries), begin, file.size() - begin, reader), std::move(reader.metadata)};
}

std::string_view name_of(DType dtype) { return std::ranges::find(dtypes, dtype, &Named::dtype)->name; }

}  // namespace safetensors
}  // namespace tandem
