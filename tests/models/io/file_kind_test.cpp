// Each kind of file that stands in another's place, read by everything that reads a file.
#include "models/io/file_kind.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <algorithm>
#include <functional>

#include "models/io/checkpoint_files.h"
#include "models/io/hf_config.h"
#include "models/io/peft.h"
#include "models/text/dataset/dataset.h"
#include "models/text/tokenizer.h"
#include "models/text/tokenizer_config.h"
#include "tests/models/io/support.h"

using namespace tandem;
using namespace tandem::test;

namespace fs = std::filesystem;

namespace {

struct Kind {
    std::string bytes, word;
};

std::string tar_header() {
    std::string all = "m/config.json";
    all.resize(257);
    return all + "ustar" + std::string(250, '\0');
}

const std::string lfs =
    "version https://git-lfs.github.com/spec/v1\n"
    "oid sha256:0f3a9c51d7e24b86a1c0d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f6a7b8c9\nsize 531244\n";

std::vector<Kind> kinds() {
    auto bytes = [](std::string_view text) { return std::string(text); };
    using namespace std::string_view_literals;
    return {
        {lfs, "a Git LFS pointer"},
        {"version https://hawser.github.com/spec/v1\noid sha256:0f\nsize 1\n", "a Git LFS pointer"},
        {"# xet version 0\nfilesize = 12\nhash = 'a'\n", "a pointer of the Xet storage"},
        {"/annex/objects/MD5E-s12--aa.safetensors\n", "a git-annex pointer"},
        {"<!DOCTYPE html><html><body>Log in to see this file</body></html>", "an HTML page"},
        {"\n  <html lang=\"en\">", "an HTML page"},
        {"\xef\xbb\xbf<!doctype HTML>\n", "an HTML page"},
        {"<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code></Error>", "XML"},
        {bytes("\x1f\x8b\x08\0\0\0\0\0\0\3\x4b\x04\0"sv), "gzip"},
        {bytes("\x28\xb5\x2f\xfd\x04\x58\x19\0\0"sv), "zstd"},
        {"BZh91AY&SY\x19\x93", "bzip2"},
        {bytes("\xfd\x37zXZ\0\0\4\xe6\xd6"sv), "xz"},
        {bytes("\x04\x22\x4d\x18\x64\x40\xa7\0"sv), "lz4"},
        {bytes("7z\xbc\xaf\x27\x1c\0\4"sv), "7z"},
        {bytes("PK\3\4\x14\0\0\0\0\0archive/data.pkl"sv), "a zip archive"},
        {bytes("PK\5\6\0\0\0\0\0\0"sv), "an empty zip archive"},
        {bytes("Rar!\x1a\7\0"sv), "a rar archive"},
        {tar_header(), "a tar archive"},
        {bytes("PAR1\x15\4\x15\0"sv), "a Parquet file"},
        {bytes("ARROW1\0\0\xff\xff\xff\xff"sv), "an Arrow file"},
        {bytes("\xff\xff\xff\xff\x78\1\0\0\x10\0"sv), "an Arrow file"},
        {bytes("GGUF\3\0\0\0\x23\1"sv), "a GGUF file"},
        {bytes("\x80\2\x8a\nl\xfc\x9c\x46\xf9"sv), "pickle"},
        {bytes("\x80\4\x95\x10\0\0\0"sv), "pickle"},
        {bytes("\x93NUMPY\1\0v\0"sv), "a NumPy array"},
        {bytes("\x89HDF\r\n\x1a\n\0"sv), "an HDF5 file"},
        {bytes("SQLite format 3\0\x10"sv), "an SQLite database"},
        {bytes("\x7f" "ELF\2\1\1\0"sv), "a program"},
        {"%PDF-1.7\n", "a PDF document"},
        {bytes("\xff\xfe{\0\"\0"sv), "UTF-16"},
        {bytes("\xfe\xff\0{\0\""sv), "UTF-16"},
        {std::string(700, '\0'), "nothing but zeros"},
    };
}

struct Reader {
    const char* file;
    std::function<void(const fs::path& folder)> read;
};

const std::vector<Reader> readers{
    {"config.json", [](const fs::path& f) { read_hf_config(f); }},
    {"generation_config.json", [](const fs::path& f) { read_hf_config(f); }},
    {"model.safetensors", [](const fs::path& f) { CheckpointFiles::open(f); }},
    {"model.safetensors.index.json", [](const fs::path& f) { CheckpointFiles::open(f); }},
    {"model-00002-of-00002.safetensors", [](const fs::path& f) { CheckpointFiles::open(f); }},
    {"tokenizer.json", [](const fs::path& f) { Tokenizer::load(f / "tokenizer.json"); }},
    {"tokenizer_config.json", [](const fs::path& f) { read_tokenizer_config(f); }},
    {"adapter_config.json", [](const fs::path& f) { Adapter::open(f); }},
    {"adapter_model.safetensors", [](const fs::path& f) { Adapter::open(f); }},
    {"data.jsonl", [](const fs::path& f) { read_dataset(f / "data.jsonl", nullptr, {64, 512, false, {}}); }},
};

// The golden model, its adapter and data in one folder, `file` replaced.
class Folder {
  public:
    explicit Folder(const char* file) : file_(scratch_.path / file) {
        for (const char* from : {"models/llama2-mha", "adapters/lora-llama2/final"})
            for (const fs::directory_entry& e : fs::directory_iterator(golden / from))
                if (e.is_regular_file())
                    fs::copy_file(e.path(), scratch_.path / e.path().filename(), fs::copy_options::skip_existing);
        fs::copy_file(golden / "data/llama2-ragged.jsonl", scratch_.path / "data.jsonl");
        fs::remove(file_);
    }
    const fs::path& path() const { return scratch_.path; }
    const fs::path& file() const { return file_; }
    void put(const std::string& bytes) { scratch_.put(file_.filename().string(), bytes); }

  private:
    Scratch scratch_;
    fs::path file_;
};

}  // namespace

TEST_CASE("what stands in a file's place is named by every reader") {
    for (const Reader& reader : readers) {
        Folder folder(reader.file);
        for (const Kind& kind : kinds()) {
            folder.put(kind.bytes);
            std::string said = message_of<InputError>([&] { reader.read(folder.path()); });
            CHECK_MESSAGE((contains(said, folder.file().string()) && contains(said, kind.word)),
                          kind.word << ": " << said);
        }
        folder.put("");
        std::string empty = message_of<InputError>([&] { reader.read(folder.path()); });
        CHECK_MESSAGE((contains(empty, folder.file().string()) && contains(empty, "empty")), empty);
    }
}

TEST_CASE("a folder, a link to nothing and nothing in a file's place are named by every reader") {
    for (const Reader& reader : readers) {
        Folder folder(reader.file);
        fs::create_directory(folder.file());
        std::string said = message_of<InputError>([&] { reader.read(folder.path()); });
        CHECK_MESSAGE((contains(said, folder.file().string()) && contains(said, "folder")), said);
        fs::remove(folder.file());
        fs::create_symlink("blobs/none", folder.file());
        said = message_of<InputError>([&] { reader.read(folder.path()); });
        CHECK_MESSAGE((contains(said, folder.file().string()) && contains(said, "download")), said);
        fs::remove(folder.file());
        const std::string name = reader.file;
        if (name == "generation_config.json" || name == "tokenizer_config.json" || name == "model.safetensors") {
            CHECK_NOTHROW(reader.read(folder.path()));  // may be missing
            continue;
        }
        said = message_of<InputError>([&] { reader.read(folder.path()); });
        CHECK_MESSAGE(contains(said, name), said);
    }
}

TEST_CASE("no valid file is of a kind") {
    for (const char* good :
         {"{}", " [1]", "\xef\xbb\xbf{\"a\": 1}", "{\"text\": \"<html>\"}\n", "version 1\n", "PK", "\x1f"})
        CHECK_MESSAGE(file_kind(good) == "", good);
    CHECK(contains(file_kind(safetensors_bytes("{}", 0)), "a safetensors file"));
    CHECK(contains(file_kind("  \n"), "blanks"));
    CHECK(file_kind_or("x", "another problem") == "another problem");
    CHECK(is_lfs_pointer(lfs));
    CHECK_FALSE(is_lfs_pointer("version https://git-lfs.github.com/spec/v1 is what a pointer begins with\n"));
}

TEST_CASE("JSON nested 100000 deep is a sentence of every reader") {
    for (const char* file : {"config.json", "generation_config.json", "model.safetensors.index.json", "tokenizer.json",
                             "tokenizer_config.json", "adapter_config.json", "data.jsonl"})
        for (const char* open : {"[", "{\"a\":"}) {
            auto reader = std::ranges::find_if(readers, [&](const Reader& r) { return r.file == std::string(file); });
            Folder folder(file);
            std::string text;
            for (int i = 0; i < 100000; i++) text += open;
            folder.put("{\"a\":" + text);
            std::string said = message_of<InputError>([&] { reader->read(folder.path()); });
            CHECK_MESSAGE((contains(said, folder.file().string()) && contains(said, "nested deeper")), said);
        }
}

TEST_CASE("weights in a pipe are named, not waited for") {
    Folder folder("model-00002-of-00002.safetensors");
    REQUIRE(::mkfifo(folder.file().c_str(), 0600) == 0);
    CHECK(contains(message_of<InputError>([&] { CheckpointFiles::open(folder.path()); }), "is a pipe"));
}
