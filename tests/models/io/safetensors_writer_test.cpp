#include "models/io/safetensors_writer.h"

#include <doctest/doctest.h>
#include <sys/resource.h>

#include <algorithm>
#include <csignal>

#include "models/io/safetensors.h"
#include "tests/models/io/support.h"

using namespace tandem;
using namespace tandem::test;

namespace fs = std::filesystem;

namespace {

std::size_t entries(const fs::path& folder) {
    return std::size_t(std::distance(fs::directory_iterator(folder), fs::directory_iterator{}));
}

std::span<const std::byte> bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }

}  // namespace

TEST_CASE("a model written again is the same file, byte for byte, as the reference implementation wrote") {
    Scratch s;
    for (const char* name : {"model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"}) {
        fs::path source = golden / "models/llama2-mha" / name;
        SafetensorsFile in = SafetensorsFile::open(source);
        CHECK(in.metadata().at("format") == "pt");
        std::vector<TensorSpec> specs;
        for (const TensorInfo& t : in.tensors()) specs.push_back({t.name, t.dtype, t.dims});
        std::reverse(specs.begin(), specs.end());
        SafetensorsWriter writer(s.path / name, specs);
        for (const TensorSpec& spec : specs) writer.write(spec.name, in.bytes(*in.find(spec.name)));
        CHECK_FALSE(fs::exists(s.path / name));
        writer.finish();
        CHECK(read_file(s.path / name) == read_file(source));
    }
    CHECK(entries(s.path) == 2);
    fs::path mixed = golden / "models/llama2-mha-bnb-nf4-double/model.safetensors";  // f32 before u8
    SafetensorsFile in = SafetensorsFile::open(mixed);
    std::vector<TensorSpec> specs;
    for (const TensorInfo& t : in.tensors()) specs.push_back({t.name, t.dtype, t.dims});
    SafetensorsWriter writer(s.path / "mixed", specs);
    for (const TensorInfo& t : in.tensors()) writer.write(t.name, in.bytes(t));
    writer.finish();
    CHECK(read_file(s.path / "mixed") == read_file(mixed));
}

TEST_CASE("scalars, empty tensors, odd names and no tensors are written") {
    Scratch s;
    SafetensorsWriter writer(s.path / "a",
                             std::vector<TensorSpec>{{"empty", DType::f32, {2, 0}}, {"\"\\\n\xc3\xa9", DType::u8, {}}});
    writer.write("\"\\\n\xc3\xa9", bytes_of("x"));
    writer.write("empty", {});
    writer.finish();
    SafetensorsFile file = SafetensorsFile::open(s.path / "a");
    CHECK(file.find("empty")->dims == std::vector<std::int64_t>{2, 0});
    CHECK(char(file.bytes(*file.find("\"\\\n\xc3\xa9"))[0]) == 'x');
    CHECK(file.tensors()[0].offset % 8 == 0);

    SafetensorsWriter none(s.path / "b", {});
    none.finish();
    CHECK(SafetensorsFile::open(s.path / "b").tensors().empty());
}

TEST_CASE("the writer refuses what it was not told, and leaves nothing unfinished") {
    Scratch s;
    std::vector<TensorSpec> specs{{"a", DType::u8, {4}}, {"b", DType::u8, {1}}};
    {
        SafetensorsWriter writer(s.path / "t", specs);
        CHECK(contains(message_of<Error>([&] { writer.write("c", bytes_of("1")); }), "'c' was not announced"));
        CHECK(contains(message_of<Error>([&] { writer.write("a", bytes_of("123")); }), "3 bytes, expected 4"));
        writer.write("a", bytes_of("1234"));
        CHECK(contains(message_of<Error>([&] { writer.write("a", bytes_of("1234")); }), "written twice"));
        CHECK(contains(message_of<Error>([&] { writer.finish(); }), "'b' was never written"));
        CHECK(entries(s.path) == 1);
    }
    CHECK(entries(s.path) == 0);
    specs.push_back(specs.front());
    CHECK(contains(message_of<Error>([&] { SafetensorsWriter(s.path / "t", specs); }), "announced twice"));
    CHECK(entries(s.path) == 0);
}

TEST_CASE("an unfinished file does not touch the one it would replace") {
    Scratch s;
    s.put("t", "old");
    { SafetensorsWriter writer(s.path / "t", std::vector<TensorSpec>{{"a", DType::u8, {4}}}); }
    CHECK(read_file(s.path / "t") == "old");
    CHECK(entries(s.path) == 1);
}

TEST_CASE("write failures are errors with the path and the reason") {
    Scratch s;
    fs::create_symlink("/dev/full", s.path / "t.partial");
    std::string full = message_of<Error>([&] { SafetensorsWriter(s.path / "t", {}); });
    CHECK_MESSAGE((contains(full, (s.path / "t.partial").string()) && contains(full, "No space left")), full);
    CHECK(contains(message_of<Error>([&] { SafetensorsWriter(s.path / "none" / "t", {}); }), "No such file"));

    // A file size limit makes the first write short and the second one fail.
    std::signal(SIGXFSZ, SIG_IGN);
    rlimit before{};
    ::getrlimit(RLIMIT_FSIZE, &before);
    rlimit small{4096, before.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &small);
    std::string text(10000, 'x');
    std::string limited = message_of<Error>([&] { write_file(s.path / "big", text); });
    ::setrlimit(RLIMIT_FSIZE, &before);
    CHECK_MESSAGE(contains(limited, "File too large"), limited);
    CHECK(entries(s.path) == 0);

    fs::create_directories(s.path / "taken" / "x");
    CHECK(contains(message_of<Error>([&] { write_file(s.path / "taken", "x"); }), "rename"));
    CHECK(entries(s.path) == 1);
}

TEST_CASE("a folder takes the place of another at once") {
    Scratch s;
    s.put("new/a", "1");
    replace_folder(s.path / "new", s.path / "final");
    CHECK(read_file(s.path / "final/a") == "1");
    s.put("new/b", "2");
    replace_folder(s.path / "new", s.path / "final");
    CHECK(read_file(s.path / "final/b") == "2");
    CHECK_FALSE(fs::exists(s.path / "final/a"));
    CHECK(entries(s.path) == 1);
    CHECK(contains(message_of<Error>([&] { replace_folder(s.path / "none", s.path / "final"); }), "No such file"));
    CHECK(read_file(s.path / "final/b") == "2");
}
