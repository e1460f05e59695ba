// A copy of the golden Llama 2 with something wrong in it.
#pragma once
#include <cstdint>
#include <nlohmann/json.hpp>

#include "tests/support/train_process.h"

namespace tandem::test {

inline const std::string shard_1 = "model-00001-of-00002.safetensors", shard_2 = "model-00002-of-00002.safetensors";

inline void copy_model(const std::filesystem::path& to) {
    std::filesystem::copy(golden("models/llama2-mha"), to);
    for (const auto& e : std::filesystem::directory_iterator(to))
        std::filesystem::permissions(e.path(), std::filesystem::perms::owner_write, std::filesystem::perm_options::add);
}

inline void edit_json(const std::filesystem::path& file, const std::function<void(nlohmann::json&)>& edit) {
    nlohmann::json j = nlohmann::json::parse(text_of(file));
    edit(j);
    write_text(file, j.dump());
}

// A safetensors file taken apart: its header, and the bytes behind it.
struct Shard {
    nlohmann::json header;
    std::string data;

    explicit Shard(const std::filesystem::path& file) {
        std::string all = text_of(file);
        std::uint64_t length = 0;
        for (int i = 0; i < 8; i++) length |= std::uint64_t(std::uint8_t(all[std::size_t(i)])) << (8 * i);
        header = nlohmann::json::parse(all.substr(8, length));
        data = all.substr(8 + length);
    }
    void write(const std::filesystem::path& file) const {
        std::string text = header.dump(), length;
        for (int i = 0; i < 8; i++) length += char(text.size() >> (8 * i));
        write_text(file, length + text + data);
    }
};

inline std::filesystem::path shard_of(const std::filesystem::path& model, const std::string& tensor) {
    nlohmann::json index = nlohmann::json::parse(text_of(model / "model.safetensors.index.json"));
    return model / index["weight_map"][tensor].get<std::string>();
}

inline void set_bf16(const std::filesystem::path& model, const std::string& tensor, std::size_t element, int bits) {
    std::filesystem::path file = shard_of(model, tensor);
    Shard shard(file);
    std::size_t at = shard.header[tensor]["data_offsets"][0].get<std::size_t>() + 2 * element;
    shard.data[at] = char(bits & 0xff);
    shard.data[at + 1] = char(bits >> 8);
    shard.write(file);
}

}  // namespace tandem::test
