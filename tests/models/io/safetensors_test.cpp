#include "models/io/safetensors.h"

#include <fmt/core.h>

#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <limits>

#include "models/io/safetensors_writer.h"
#include "tests/models/io/support.h"

using namespace tandem;
using namespace tandem::test;

namespace {

std::string open_error(const Scratch& s, const std::string& bytes) {
    std::filesystem::path file = s.put("bad.safetensors", bytes);
    std::string message = message_of<InputError>([&] { SafetensorsFile::open(file); });
    CHECK_MESSAGE((message.empty() || contains(message, file.string())), message);
    return message;
}

std::string tensor(const std::string& name, const std::string& rest) { return "\"" + name + "\":{" + rest + "}"; }

const std::string u8_4 = R"("dtype":"U8","shape":[4],"data_offsets":[0,4])";

struct Case {
    std::string header;
    std::size_t data;
    std::string says;
};

void check_rejected(const std::vector<Case>& cases) {
    Scratch s;
    for (const Case& c : cases) {
        std::string message = open_error(s, safetensors_bytes(c.header, c.data));
        CHECK_MESSAGE(contains(message, c.says), c.header << " -> " << message);
    }
}

const std::string t = tensor("t", u8_4);

}  // namespace

TEST_CASE("safetensors rejects headers that the format forbids") {
    check_rejected({
        {"", 0, "begin with '{'"},
        {"{", 0, "not valid JSON"},
        {"[]", 0, "begin with '{'"},
        {" {}", 0, "begin with '{'"},
        {"\xef\xbb\xbf{}", 0, "begin with '{'"},
        {"{\"a\xff\":1}", 0, "not valid JSON"},
        {"{\"\xed\xa0\x80\":1}", 0, "not valid JSON"},  // a surrogate in UTF-8
        {std::string("{}\0\0", 4), 0, "NUL byte"},
        {"{}x", 0, "not valid JSON"},
        {"{" + t + "," + t + "}", 4, "'t' stands there twice"},
        {"{" + tensor("t", u8_4 + R"(,"dtype":"U8")") + "}", 4, "'dtype' stands there twice in tensor 't'"},
        {R"({"__metadata__":{"a":"1","a":"2"}})", 0, "'a' stands there twice"},
        {R"({"__metadata__":{"a":1}})", 0, "metadata value 'a' must be a string"},
        {R"({"__metadata__":{"a":null}})", 0, "metadata value 'a' must be a string"},
        {R"({"__metadata__":{"a":{}}})", 0, "metadata value 'a' must be a string"},
        {R"({"__metadata__":"a"})", 0, "unexpected a string as '__metadata__'"},
        {R"({"t":1})", 0, "unexpected a number as 't'"},
        {R"({"t":[]})", 0, "unexpected an array as 't'"},
        {R"({"t":{}})", 0, "has no dtype"},
        {"{" + tensor("t", R"("shape":[4],"data_offsets":[0,4])") + "}", 4, "has no dtype"},
        {"{" + tensor("t", R"("dtype":"U8","data_offsets":[0,4])") + "}", 4, "has no shape"},
        {"{" + tensor("t", R"("dtype":"U8","shape":[4])") + "}", 4, "has no data_offsets"},
        {"{" + tensor("t", R"("dtype":"U9","shape":[4],"data_offsets":[0,4])") + "}", 4, "unknown dtype 'U9'"},
        {"{" + tensor("t", R"("dtype":8,"shape":[4],"data_offsets":[0,4])") + "}", 4, "unexpected a number as 'dtype'"},
        {"{" + tensor("t", R"("dtype":"U8","shape":[-4],"data_offsets":[0,4])") + "}", 4, "a negative number"},
        {"{" + tensor("t", R"("dtype":"U8","shape":[-0],"data_offsets":[0,0])") + "}", 0, "a negative number"},
        {"{" + tensor("t", R"("dtype":"U8","shape":[4.0],"data_offsets":[0,4])") + "}", 4, "a fractional"},
        {"{" + tensor("t", R"("dtype":"U8","shape":[4],"data_offsets":[0,4e0])") + "}", 4, "a fractional"},
        {"{" + tensor("t", R"("dtype":"U8","shape":["4"],"data_offsets":[0,4])") + "}", 4, "a string"},
        {"{" + tensor("t", R"("dtype":"U8","shape":[[4]],"data_offsets":[0,4])") + "}", 4, "an array"},
        {"{" + tensor("t", R"("dtype":"U8","shape":4,"data_offsets":[0,4])") + "}", 4, "a number as 'shape'"},
        {"{" + tensor("t", R"("dtype":"U8","shape":[4],"data_offsets":[4])") + "}", 4, "1 data_offsets"},
        {"{" + tensor("t", R"("dtype":"U8","shape":[4],"data_offsets":[0,4,8])") + "}", 4, "3 data_offsets"},
    });
}

TEST_CASE("safetensors rejects layouts that the format forbids") {
    check_rejected({
        {"{" + tensor("t", R"("dtype":"U8","shape":[4],"data_offsets":[4,0])") + "}", 4, "before it begins"},
        {"{" + tensor("t", R"("dtype":"U8","shape":[4],"data_offsets":[1,5])") + "}", 5, "begins at 1, expected 0"},
        {"{" + t + "," + tensor("u", R"("dtype":"U8","shape":[1],"data_offsets":[5,6])") + "}", 6, "leaves a hole"},
        {"{" + t + "," + tensor("u", R"("dtype":"U8","shape":[2],"data_offsets":[3,5])") + "}", 5, "overlaps"},
        {"{" + t + "," + tensor("u", u8_4) + "}", 4, "overlaps"},
        {"{" + tensor("t", R"("dtype":"U8","shape":[5],"data_offsets":[0,4])") + "}", 4, "holds 4 bytes"},
        {"{" + tensor("t", R"("dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,0])") + "}", 0,
         "overflows"},
        {"{" + tensor("t", R"("dtype":"F64","shape":[2305843009213693952],"data_offsets":[0,0])") + "}", 0,
         "overflows"},
        {"{" + tensor("t", R"("dtype":"U8","shape":[0,18446744073709551615],"data_offsets":[0,0])") + "}", 0,
         "too large"},
        {"{" + tensor("t", R"("dtype":"U8","shape":[18446744073709551616],"data_offsets":[0,0])") + "}", 0,
         "too large"},
        {"{" + t + "}", 3, "truncated"},
        {"{" + t + "}", 5, "followed by other bytes"},
        {"{}", 1, "followed by other bytes"},
    });
}

TEST_CASE("safetensors rejects files that are too short, too long or no files") {
    Scratch s;
    CHECK(contains(open_error(s, ""), "it is empty"));
    for (std::size_t n = 1; n < 8; n++) CHECK(contains(open_error(s, std::string(n, '\x01')), "too short"));
    CHECK(contains(open_error(s, R"({"error":"Repository not found"})"), "it is text, not safetensors: '{\"error\":"));
    CHECK(contains(open_error(s, std::string("\x03\0\0\0\0\0\0\0{}", 10)), "past the file's end"));
    CHECK(contains(open_error(s, std::string("\x01\xe1\xf5\x05\0\0\0\0{}", 10)), "above 100000000"));
    CHECK(contains(open_error(s, std::string(8, '\xff') + "{}"), "above 100000000"));
    CHECK(contains(message_of<InputError>([&] { SafetensorsFile::open(s.path); }), "it is a folder"));
    CHECK(contains(message_of<InputError>([&] { SafetensorsFile::open(s.path / "none"); }), "No such file"));
}

TEST_CASE("safetensors accepts what the format allows") {
    Scratch s;
    auto open = [&](const std::string& header, std::size_t data) {
        return SafetensorsFile::open(s.put("good.safetensors", safetensors_bytes(header, data)));
    };
    CHECK(open("{}", 0).tensors().empty());
    CHECK(open("{}      ", 0).tensors().empty());
    CHECK(open(R"({"__metadata__":{"format":"pt","note":"\u00e9"}})", 0).metadata().at("note") == "\xc3\xa9");

    SafetensorsFile scalar = open(R"({"s":{"dtype":"F32","shape":[],"data_offsets":[0,4]}})", 4);
    CHECK(scalar.find("s")->dims.empty());
    CHECK(scalar.find("s")->elements() == 1);

    // In any order, with empty tensors, ranks above 4, fields nobody knows, data at odd addresses.
    SafetensorsFile all = open(
        R"({"z":{"data_offsets":[1,9],"shape":[1,1,2,1,1,1],"dtype":"F32","extra":{"a":[1,{"b":null}],"b":-1.5}},)"
        R"("empty":{"dtype":"I64","shape":[3,0,2],"data_offsets":[1,1]},)"
        R"("last":{"dtype":"F64","shape":[0],"data_offsets":[9,9]},)"
        R"("a":{"dtype":"BOOL","shape":[1],"data_offsets":[0,1]}} )",
        9);
    REQUIRE(all.tensors().size() == 4);
    CHECK(all.tensors()[0].name == "a");
    CHECK(all.tensors()[2].name == "z");
    CHECK(all.find("z")->dims == std::vector<std::int64_t>{1, 1, 2, 1, 1, 1});
    CHECK(int(all.bytes(*all.find("z"))[0]) == 1);
    CHECK(all.find("empty")->bytes == 0);
    CHECK(all.bytes(*all.find("last")).empty());
    CHECK(all.find("nothing") == nullptr);
    for (const TensorInfo& t : all.tensors()) all.drop(t);
    CHECK(int(all.bytes(*all.find("z"))[7]) == 8);
}

TEST_CASE("safetensors knows every dtype of the format") {
    Scratch s;
    for (DType t : {DType::f64, DType::f32, DType::bf16, DType::f16, DType::i64, DType::i32, DType::i16, DType::i8,
                    DType::u64, DType::u32, DType::u16, DType::u8, DType::boolean, DType::f8_e4m3, DType::f8_e5m2}) {
        std::string bytes(3 * size_of(t), 'x');
        SafetensorsWriter writer(s.path / "t", std::vector<TensorSpec>{{"t", t, {3}}});
        writer.write("t", std::as_bytes(std::span(bytes)));
        writer.finish();
        SafetensorsFile file = SafetensorsFile::open(s.path / "t");
        CHECK(file.find("t")->dtype == t);
        CHECK(file.find("t")->bytes == bytes.size());
    }
}

TEST_CASE("safetensors survives any damage of a header") {
    Scratch s;
    const std::string header = "{\"__metadata__\":{\"format\":\"pt\"}," + tensor("a", u8_4) + "," +
                               tensor("b", R"("dtype":"F32","shape":[1,2],"data_offsets":[4,12])") + "}";
    int rejected = 0;
    with_flips(safetensors_bytes(header, 12), 2000, [&](const std::string& bytes) {
        rejected += !open_error(s, bytes).empty();
    });
    CHECK(rejected > 500);
    CHECK(rejected < 2000);  // changes of the data, of a name or of a dtype of the same size are fine
    auto nested = [](std::size_t levels) {
        std::string extra = std::string(levels, '[') + std::string(levels, ']');
        return safetensors_bytes("{" + tensor("t", "\"extra\":" + extra + "," + u8_4) + "}", 4);
    };
    CHECK(open_error(s, nested(500)) == "");
    CHECK(contains(open_error(s, nested(100000)), "nested deeper than 512 levels"));
}

TEST_CASE("reading a file one tensor at a time keeps one tensor resident") {
    Scratch s;
    constexpr std::size_t tensors = 16, size = 4 << 20;
    std::string header = "{";
    for (std::size_t i = 0; i < tensors; i++) {
        header += fmt::format(R"({}"{}":{{"dtype":"U8","shape":[{}],"data_offsets":[{},{}]}})", i ? "," : "", i, size,
                              i * size, (i + 1) * size);
    }
    std::filesystem::path path = s.put("large", safetensors_bytes(header + "}", 0));
    std::filesystem::resize_file(path, std::filesystem::file_size(path) + tensors * size);
    SafetensorsFile file = SafetensorsFile::open(path);
    auto resident = [] {
        std::size_t all = 0, pages = 0;
        std::ifstream("/proc/self/statm") >> all >> pages;
        return pages * std::size_t(::sysconf(_SC_PAGESIZE));
    };
    auto most_while_reading = [&](bool drop) {
        std::size_t before = resident(), most = 0, sum = 0;
        for (const TensorInfo& t : file.tensors()) {
            for (std::byte b : file.bytes(t)) sum += std::size_t(b);
            most = std::max(most, resident() - before);
            if (drop) file.drop(t);
        }
        CHECK(sum == 0);
        return most;
    };
    CHECK(most_while_reading(true) < 2 * size);
    CHECK(most_while_reading(false) > (tensors - 2) * size);
}

TEST_CASE("to_float converts every float type and keeps NaN") {
    double values[] = {1.5, -2.0, std::numeric_limits<double>::quiet_NaN(), 0.1};
    auto check = [&]<class T>(T) {
        T in[4];
        float out[4];
        for (int i = 0; i < 4; i++) in[i] = T(values[i]);
        to_float(dtype_of<T>, std::as_bytes(std::span(in)), out);
        CHECK(out[0] == 1.5f);
        CHECK(out[1] == -2.0f);
        CHECK(std::isnan(out[2]));
        CHECK(out[3] == float(T(0.1)));
        float three[3];
        CHECK_THROWS_AS(to_float(dtype_of<T>, std::as_bytes(std::span(in)), three), Error);
    };
    check(double{});
    check(float{});
    check(bf16{});
    check(f16{});
    std::byte one[1]{};
    float to[1];
    CHECK_THROWS_AS(to_float(DType::i8, one, to), Error);
}
