// What stands in a file's place, as a user meets it: exit 2 and a sentence that names the file and says what it is.
#include <sys/stat.h>

#include "tests/support/model_files.h"

using namespace tandem::test;
namespace fs = std::filesystem;

namespace {

const std::string pointer =
    "version https://git-lfs.github.com/spec/v1\n"
    "oid sha256:0f3a9c51d7e24b86a1c0d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f6a7b8c9\nsize 531244\n";
const std::string page = "<!DOCTYPE html><html><body>Log in to see this file</body></html>";

struct Put {
    const char* what;
    std::function<void(const fs::path& file)> put;
    const char* says;
};

const std::vector<Put> kinds{
    {"a pointer", [](const fs::path& f) { write_text(f, pointer); }, "it is a Git LFS pointer"},
    {"a page", [](const fs::path& f) { write_text(f, page); }, "it is an HTML page"},
    {"gzip", [](const fs::path& f) { write_text(f, std::string("\x1f\x8b\x08\0\0\0", 6)); }, "compressed with gzip"},
    {"nothing", [](const fs::path& f) { write_text(f, ""); }, "empty"},
    {"a folder", [](const fs::path& f) { fs::create_directory(f); }, "it is a folder"},
    {"a link", [](const fs::path& f) { fs::create_symlink("../blobs/none", f); }, "download"},
};

// A model with an adapter and data in one folder, and everything that reads it.
struct Folder {
    Scratch scratch;
    fs::path m = scratch / "m", adapter = scratch / "a", data = scratch / "data.jsonl", config = scratch / "o.json",
             lines = scratch / "lines.txt";

    Folder() {
        copy_model(m);
        fs::copy(golden("adapters/lora-llama2/final"), adapter);
        fs::copy_file(golden("data/llama2-ragged.jsonl"), data);
        write_text(m / "tokenizer_config.json", "{}");
        write_text(config, "{}");
        write_text(lines, "a\n");
    }
    Exit evaluate(const Arguments& more = {}) const {
        return run(Arguments{"eval", "--model", m, "--dataset", data, "--gpus", "cpu", "--threads", "1", "--adapter",
                             adapter, "--config", config} +
                   more);
    }
    Exit tokenize() const { return run({"tokenize", "--model", m, "--lines", lines}); }
};

}  // namespace

TEST_CASE("what stands in the place of a file is named: all that eval reads") {
    Folder folder;
    REQUIRE(folder.evaluate().code == 0);
    const fs::path files[] = {folder.m / "config.json", folder.m / "generation_config.json",
                              folder.m / "model.safetensors.index.json", folder.m / shard_2,
                              folder.m / "tokenizer.json", folder.m / "tokenizer_config.json",
                              folder.adapter / "adapter_config.json", folder.adapter / "adapter_model.safetensors",
                              folder.data, folder.config};
    for (const fs::path& file : files) {
        fs::rename(file, folder.scratch / "aside");
        for (const Put& put : kinds) {
            CAPTURE(file.filename().string());
            CAPTURE(put.what);
            put.put(file);
            Exit e = folder.evaluate();
            CHECK(e.code == 2);
            CHECK_MESSAGE((e.says(file.filename().string()) && e.says(put.says)), e.err);
            CHECK(e.out.empty());
            fs::remove(file);
        }
        fs::rename(folder.scratch / "aside", file);
    }
    CHECK(folder.evaluate().code == 0);
}

TEST_CASE("what stands in the place of a text or a template is named where it matters") {
    Folder folder;
    CHECK(folder.tokenize().code == 0);
    write_text(folder.lines, pointer);
    Exit e = folder.tokenize();
    CHECK(e.code == 2);
    CHECK_MESSAGE(e.says("lines.txt: it is a Git LFS pointer"), e.err);
    write_text(folder.lines, std::string("\x1f\x8b\x08\0\0\0", 6));
    e = folder.tokenize();
    CHECK(e.code == 2);
    CHECK_MESSAGE(e.says("lines.txt: it is compressed with gzip"), e.err);
    write_text(folder.lines, page + "\n");  // a text like any other
    CHECK(folder.tokenize().code == 0);
    write_text(folder.lines, "");
    e = folder.tokenize();
    CHECK(e.code == 0);
    CHECK_MESSAGE(e.says("lines.txt is empty"), e.err);

    write_text(folder.m / "chat_template.jinja", pointer);
    CHECK(folder.evaluate().code == 0);  // ids need no template
    write_text(folder.data,
               R"({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]})");
    e = folder.evaluate();
    CHECK(e.code == 2);
    CHECK_MESSAGE(e.says("'s chat template: it is a Git LFS pointer"), e.err);
}

TEST_CASE("a model that is another kind of file is named") {
    Folder folder;
    for (const auto& [name, bytes, says] :
         {std::tuple{"m.gguf", std::string("GGUF\3\0\0\0", 8), "it is a GGUF file"},
          std::tuple{"pytorch_model.bin", std::string("PK\3\4\0", 5), "it is a zip archive"},
          std::tuple{"other.safetensors", pointer, "it is a Git LFS pointer"}}) {
        write_text(folder.m / name, bytes);
        Exit e = run({"eval", "--model", folder.m / name, "--dataset", folder.data, "--gpus", "cpu"});
        CHECK(e.code == 2);
        CHECK_MESSAGE(e.says(says), e.err);
    }
}

TEST_CASE("a config in a pipe is read") {
    Folder folder;
    fs::path pipe = folder.scratch / "pipe";
    REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
    Program program({"eval", "--model", folder.m, "--dataset", folder.data, "--gpus", "cpu", "--threads", "1", "--json",
                     "--config", pipe});
    write_text(pipe, R"({"precision": "fp32", "learning_rate": 1})");
    Exit e = program.wait();
    CHECK(e.code == 2);
    CHECK_MESSAGE(e.says("pipe: unknown option learning_rate"), e.err);
}
