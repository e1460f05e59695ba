#include "models/io/safetensors_header.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <optional>
#include <tuple>
#include <unordered_set>
#include <utility>

#include "models/io/file_kind.h"
#include "runtime/joined.h"
#include "runtime/json.h"
#include "runtime/utf8.h"

namespace tandem {

std::string text_of(std::span<const std::int64_t> dims) { return "[" + joined(dims) + "]"; }

namespace safetensors {

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
    std::optional<std::vector<std::int64_t>> dims, offsets;
};

const char* name_of(const Json& scalar) {
    switch (scalar.kind()) {
        case Json::Kind::null: return "null";
        case Json::Kind::boolean: return "a boolean";
        case Json::Kind::string: return "a string";
        default: break;
    }
    if (std::signbit(scalar.number())) return "a negative number";
    return scalar.kind() == Json::Kind::integer ? "a number" : "a fractional or too large number";
}

// Follows the parser's events instead of a document tree, because a tree keeps one of two equal keys silently.
class HeaderReader final : public JsonEvents {
  public:
    explicit HeaderReader(const std::string& where) : where_(where) {}

    std::vector<Entry> entries;
    std::map<std::string, std::string> metadata;

    void scalar(Json v) override {
        bool size = v.kind() == Json::Kind::integer && v.integer() >= 0;
        if (state_ == State::dims && size)
            entries.back().dims->push_back(v.integer());
        else if (state_ == State::offsets && size)
            entries.back().offsets->push_back(v.integer());
        else if (state_ == State::metadata && v.is_string())
            metadata[key_] = v.string();
        else if (state_ == State::field && key_ == "dtype" && v.is_string())
            read_dtype(entries.back(), v.string());
        else
            other(name_of(v));
    }
    void begin(Json::Kind kind) override {
        bool object = kind == Json::Kind::object;
        if (object && state_ == State::begin) {
            state_ = State::top;
        } else if (object && state_ == State::top && key_ == "__metadata__") {
            state_ = State::metadata;
            keys_.clear();
        } else if (object && state_ == State::top) {
            state_ = State::field;
            entries.push_back({key_, {}, {}, {}});
            keys_.clear();
        } else if (!object && state_ == State::field && (key_ == "shape" || key_ == "data_offsets")) {
            state_ = key_ == "shape" ? State::dims : State::offsets;
            (state_ == State::dims ? entries.back().dims : entries.back().offsets).emplace();
        } else {
            other(object ? "an object" : "an array");
            state_ = State::skip;
            depth_++;
        }
    }
    void end(Json::Kind) override {
        switch (state_) {
            case State::skip:
                if (--depth_ == 0) state_ = State::field;
                return;
            case State::dims:
            case State::offsets: state_ = State::field; return;
            case State::field: complete(entries.back()); break;
            default: break;
        }
        state_ = state_ == State::top ? State::end : State::top;
    }
    void name(std::string k) override {
        if (state_ == State::skip) return;
        bool fresh = state_ == State::top ? names_.insert(k).second : keys_.insert(k).second;
        if (!fresh) fail(fmt::format("the name '{}' stands there twice{}", k, inside()));
        key_ = std::move(k);
    }

    [[noreturn]] void fail(const std::string& what) const {
        throw InputError(fmt::format("[safetensors] {}: {}", where_, what));
    }

  private:
    enum class State { begin, top, metadata, field, dims, offsets, skip, end };

    std::string inside() const { return state_ == State::field ? " in tensor '" + entries.back().name + "'" : ""; }
    bool unknown_field() const { return key_ != "dtype" && key_ != "shape" && key_ != "data_offsets"; }

    // What no rule above takes: fine as the value of an unknown field, else an error.
    void other(const char* what) const {
        if (state_ == State::skip || (state_ == State::field && unknown_field())) return;
        if (state_ == State::begin) fail(fmt::format("its header must be an object, got {}", what));
        if (state_ == State::metadata)
            fail(fmt::format("the metadata value '{}' must be a string, got {}", key_, what));
        fail(fmt::format("unexpected {} as '{}'{}", what, key_, inside()));
    }
    void read_dtype(Entry& entry, const std::string& text) const {
        entry.dtype = dtype_named(text);
        if (!entry.dtype) fail(fmt::format("tensor '{}' has the unknown dtype '{}'", entry.name, text));
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

std::int64_t checked_bytes(const Entry& e, const HeaderReader& reader) {
    std::int64_t bytes = std::int64_t(size_of(*e.dtype));
    for (std::int64_t d : *e.dims) {
        if (__builtin_mul_overflow(bytes, d, &bytes))
            reader.fail(fmt::format("the shape of tensor '{}' overflows", e.name));
    }
    return bytes;
}

// The offset still counts from the end of the header.
TensorInfo checked_tensor(Entry& e, const HeaderReader& reader) {
    std::int64_t first = (*e.offsets)[0], last = (*e.offsets)[1], bytes = checked_bytes(e, reader);
    if (last < first) reader.fail(fmt::format("tensor '{}' ends at {}, before it begins at {}", e.name, last, first));
    if (last - first != bytes)
        reader.fail(
            fmt::format("tensor '{}' holds {} bytes, its dtype and shape need {}", e.name, last - first, bytes));
    return {std::move(e.name), *e.dtype, std::move(*e.dims), std::size_t(first), std::size_t(bytes)};
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

// Of a file that does not begin as one of this format.
std::string why_no_header(std::string_view file, std::uint64_t length) {
    auto is_text = [](unsigned char c) { return (c >= ' ' && c < 0x7f) || c == '\n' || c == '\t' || c == '\r'; };
    std::string too_long = fmt::format("its header length {} is above {}", length, max_header);
    if (file.size() > 8 && file[8] == '{') return too_long;
    if (std::string kind = file_kind(file.substr(0, file_kind_bytes)); !kind.empty()) return kind;
    if (std::ranges::all_of(file.substr(0, 9), is_text))
        return fmt::format("it is text, not safetensors: '{}'; download it again", excerpt(file, 60));
    if (file.size() < 8) return fmt::format("{} bytes are too short for a safetensors file", file.size());
    return length > max_header ? too_long : "its header does not begin with '{'";
}

}  // namespace

Header parse_header(std::span<const std::byte> file, const std::string& where) {
    HeaderReader reader(where);
    std::string_view bytes(reinterpret_cast<const char*>(file.data()), file.size());
    std::uint64_t length = 0;
    for (std::size_t i = 8; i-- > 0;) length = length << 8 | (i < file.size() ? std::uint64_t(file[i]) : 0);
    if (length > max_header || bytes.substr(std::min(bytes.size(), std::size_t(8)), 1) != "{")
        reader.fail(why_no_header(bytes, length));
    if (length > file.size() - 8)
        reader.fail(fmt::format("its header length {} is past the file's end ({} bytes)", length, file.size()));
    if (auto problem = read_json(bytes.substr(8, std::size_t(length)), reader))
        reader.fail(fmt::format("its header is not valid JSON: {}", problem->what));
    std::size_t begin = 8 + std::size_t(length);
    return {place(std::move(reader.entries), begin, file.size() - begin, reader), std::move(reader.metadata)};
}

std::string_view name_of(DType dtype) { return std::ranges::find(dtypes, dtype, &Named::dtype)->name; }

}  // namespace safetensors
}  // namespace tandem
