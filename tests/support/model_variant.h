// A golden model taken apart, to be changed and written again as one file.
#pragma once
#include <cstring>
#include <map>
#include <nlohmann/json.hpp>

#include "models/io/checkpoint_files.h"
#include "models/io/safetensors_writer.h"
#include "tests/support/process.h"

namespace tandem::test {

struct ModelVariant {
    struct Part {
        DType dtype;
        std::vector<std::int64_t> dims;
        std::string bytes;
    };
    std::map<std::string, Part> tensors;
    nlohmann::json config;

    explicit ModelVariant(const std::string& name)
        : from_(std::filesystem::path(TANDEM_TEST_DATA) / "models" / name) {
        CheckpointFiles files = CheckpointFiles::open(from_);
        for (const TensorInfo* t : files.tensors()) {
            std::span<const std::byte> bytes = files.bytes(*t);
            tensors[t->name] = {t->dtype, t->dims, {reinterpret_cast<const char*>(bytes.data()), bytes.size()}};
        }
        config = nlohmann::json::parse(text_of(from_ / "config.json"));
    }

    // A tensor of zeros.
    void add(const std::string& name, std::vector<std::int64_t> dims, DType dtype = DType::f32) {
        std::size_t elements = 1;
        for (std::int64_t d : dims) elements *= std::size_t(d);
        tensors[name] = {dtype, std::move(dims), std::string(elements * size_of(dtype), '\0')};
    }
    void rename(const std::string& name, const std::string& to) {
        tensors[to] = tensors.at(name);
        tensors.erase(name);
    }
    // Sets an element, of type bf16 or f32.
    void set(const std::string& name, std::size_t element, float value) {
        Part& part = tensors.at(name);
        const bf16 rounded(value);
        std::size_t size = size_of(part.dtype);
        std::memcpy(part.bytes.data() + element * size, size == 2 ? static_cast<const void*>(&rounded) : &value, size);
    }

    // Into a folder that this object keeps; with the golden model's tokenizer. Every call writes anew.
    std::filesystem::path write() const {
        for (const char* name : {"generation_config.json", "tokenizer.json", "tokenizer_config.json"})
            if (std::filesystem::exists(from_ / name)) scratch_.put(name, text_of(from_ / name));
        scratch_.put("config.json", config.dump());
        std::vector<TensorSpec> specs;
        for (const auto& [name, part] : tensors) specs.push_back({name, part.dtype, part.dims});
        SafetensorsWriter writer(scratch_ / "model.safetensors", specs);
        for (const auto& [name, part] : tensors) writer.write(name, std::as_bytes(std::span(part.bytes)));
        writer.finish();
        return scratch_.path;
    }

  private:
    std::filesystem::path from_;
    Scratch scratch_;
};

}  // namespace tandem::test
