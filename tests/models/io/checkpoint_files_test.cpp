#include "models/io/checkpoint_files.h"

#include <doctest/doctest.h>
#include <fmt/core.h>

#include "models/io/files.h"
#include "tests/models/io/support.h"

using namespace tandem;
using namespace tandem::test;

namespace fs = std::filesystem;

namespace {

std::string one_tensor(const std::string& name) {
    return safetensors_bytes("{\"" + name + R"(":{"dtype":"U8","shape":[2,2],"data_offsets":[0,4]}})", 4);
}

std::string index_of(const std::string& map) { return R"({"metadata":{"total_size":8},"weight_map":{)" + map + "}}"; }

std::string open_error(const fs::path& path) {
    return message_of<InputError>([&] { CheckpointFiles::open(path); });
}

}  // namespace

TEST_CASE("a sharded checkpoint is one set of tensors") {
    CheckpointFiles files = CheckpointFiles::open(golden / "models/llama2-mha");
    CHECK(files.shards().size() == 2);
    const TensorInfo& head = files.get("lm_head.weight", std::vector<std::int64_t>{512, 64});
    CHECK(head.dtype == DType::bf16);
    CHECK(files.file_of(head).filename() == "model-00002-of-00002.safetensors");
    CHECK(files.bytes(head).size() == 65536);
    files.drop(head);
    CHECK(files.find("model.layers.0.self_attn.q_proj.weight"));
    CHECK_FALSE(files.find("model.layers.4.self_attn.q_proj.weight"));
    CHECK(contains(message_of<InputError>([&] { files.get("nothing"); }), "has no tensor 'nothing'"));
    std::string dims = message_of<InputError>([&] { files.get("lm_head.weight", std::vector<std::int64_t>{512, 65}); });
    CHECK_MESSAGE((contains(dims, "'lm_head.weight' is [512, 64]") && contains(dims, "[512, 65]")), dims);
    CHECK_THROWS_AS(files.get("lm_head.weight", std::vector<std::int64_t>{512}), InputError);
}

TEST_CASE("a checkpoint may be one file, by its own name or that of its folder") {
    fs::path folder = golden / "models/llama2-mha-bnb-fp4";
    CHECK(CheckpointFiles::open(folder).find("lm_head.weight"));
    CHECK(CheckpointFiles::open(folder / "model.safetensors").find("lm_head.weight"));
    CHECK(weights_complete(folder));
}

TEST_CASE("what an index and its shards disagree on is an error that names both") {
    Scratch s;
    CHECK(contains(open_error(s.path), "neither model.safetensors nor"));
    s.put("pytorch_model.bin", "");
    CHECK(contains(open_error(s.path), "converted to safetensors"));
    CHECK_FALSE(weights_complete(s.path));

    s.put("model.safetensors.index.json", index_of(R"("a":"1.safetensors","b":"2.safetensors")"));
    s.put("1.safetensors", one_tensor("a"));
    CHECK(contains(open_error(s.path), (s.path / "2.safetensors").string() + " is missing"));
    CHECK_FALSE(weights_complete(s.path));
    s.put("2.safetensors", one_tensor("c"));
    CHECK(contains(open_error(s.path), "places tensor 'b' in 2.safetensors, which does not hold it"));
    CHECK(weights_complete(s.path));
    s.put("2.safetensors", one_tensor("a"));
    CHECK(contains(open_error(s.path), "places tensor 'b' in 2.safetensors, which does not hold it"));
    s.put("2.safetensors", one_tensor("b"));
    CHECK(open_error(s.path) == "");
    s.put("model.safetensors.index.json", index_of(R"("a":"2.safetensors","b":"1.safetensors")"));
    CHECK(contains(open_error(s.path), "places tensor 'a' in 2.safetensors"));
    s.put("2.safetensors", one_tensor("b").substr(0, 20));
    CHECK(contains(open_error(s.path), "2.safetensors"));
}

TEST_CASE("of a tensor in two shards that one counts where the index places it") {
    Scratch s;
    auto two = [](const char* second, int first_byte) {
        std::string bytes = safetensors_bytes(std::string(R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},")") +
                                                  second + R"(":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}})",
                                              4);
        bytes[bytes.size() - 4] = char(first_byte);
        return bytes;
    };
    s.put("1.safetensors", two("b", 1));
    s.put("2.safetensors", two("c", 2));
    for (int n : {1, 2}) {
        s.put("model.safetensors.index.json",
              index_of(fmt::format(R"("a":"{}.safetensors","b":"1.safetensors","c":"2.safetensors")", n)));
        CheckpointFiles files = CheckpointFiles::open(s.path);
        CHECK(int(files.bytes(files.get("a"))[0]) == n);
        CHECK(files.file_of(files.get("a")).filename() == fmt::format("{}.safetensors", n));
    }
    s.put("model.safetensors.index.json", index_of(R"("b":"1.safetensors","c":"2.safetensors")"));
    CHECK(contains(open_error(s.path), "'a' is in two shards"));
    s.put("3.safetensors", "not to be looked at");
    s.put("model.safetensors.index.json", index_of(R"("a":"1.safetensors","b":"1.safetensors")"));
    CheckpointFiles files = CheckpointFiles::open(s.path);
    CHECK(files.shards().size() == 1);
    CHECK_FALSE(files.find("c"));
}

TEST_CASE("a broken index is an error that names it") {
    Scratch s;
    s.put("1.safetensors", one_tensor("a"));
    for (const char* index :
         {"", "[]", "{}", "{\"weight_map\":[]}", "{\"weight_map\":{}}", "{\"weight_map\":{\"a\":1}}",
          "{\"weight_map\":{\"a\":null}}", "{\"weight_map\":{\"a\":\"../1.safetensors\"}}",
          "{\"weight_map\":{\"a\":\"1.bin\"}}", "{\"weight_map\":{\"a\":\"1.safetensors\"}"}) {
        fs::path file = s.put("model.safetensors.index.json", index);
        CHECK_MESSAGE(contains(open_error(s.path), file.string()), index);
    }
    with_flips(index_of(R"("a":"1.safetensors")"), 1000, [&](const std::string& index) {
        s.put("model.safetensors.index.json", index);
        open_error(s.path);
    });
}
