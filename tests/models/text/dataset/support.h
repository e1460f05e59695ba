// Data files read with a golden model's tokenizer and template.
#pragma once
#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "models/text/dataset/dataset.h"
#include "runtime/error.h"
#include "tests/support/scratch.h"

namespace tandem::test {

using Ids = std::vector<std::int32_t>;
inline constexpr DatasetOptions roomy{.context_length = 4096, .vocab = 1000};
inline constexpr DatasetOptions few{.context_length = 8, .vocab = 100};

inline Ids list(std::span<const std::int32_t> ids) { return {ids.begin(), ids.end()}; }

// Without a tokenizer.
inline Dataset read_ids(const std::string& text, DatasetOptions options = few) {
    Scratch scratch;
    return read_dataset(scratch.put("data.jsonl", text), nullptr, options);
}

// The message after "FILE:"
inline std::string ids_error(const std::string& text, DatasetOptions options = few) {
    Scratch scratch;
    std::filesystem::path file = scratch.put("data.jsonl", text);
    try {
        read_dataset(file, nullptr, options);
    } catch (const InputError& e) {
        std::string message = e.what(), name = file.string() + ":";
        return message.starts_with(name) ? message.substr(name.size()) : message;
    }
    return "no error";
}

struct TextModel {
    Tokenizer tokenizer;
    TextTools tools;
    TextModel(const char* folder, SpecialStrings special, const char* chat)
        : tokenizer(Tokenizer::load(std::string(TANDEM_TEST_DATA "/models/") + folder + "/tokenizer.json")),
          tools{&tokenizer, std::move(special), ChatTemplate::named(chat), ""} {}
    Dataset read(const std::string& text, DatasetOptions options = roomy) const {
        Scratch scratch;
        return read_dataset(scratch.put("data.jsonl", text), &tools, options);
    }
    std::string error(const std::string& text, DatasetOptions options = roomy) const {
        Scratch scratch;
        std::filesystem::path file = scratch.put("data.jsonl", text);
        try {
            read_dataset(file, &tools, options);
        } catch (const InputError& e) {
            return std::string(e.what()).substr(file.string().size() + 1);
        }
        return "no error";
    }
    std::string decode(std::span<const std::int32_t> ids) const { return tokenizer.decode(ids, DecodeSpecial::keep); }
    std::string supervised(SampleView sample) const {
        Ids ids;
        for (std::size_t i = 0; i < sample.ids.size(); i++)
            if (sample.labels[i] != not_supervised) {
                CHECK(sample.labels[i] == sample.ids[i]);
                ids.push_back(sample.labels[i]);
            }
        return decode(ids);
    }
    std::int64_t count(SampleView sample, const char* token) const {
        return std::count(sample.ids.begin(), sample.ids.end(), *tokenizer.id_of(token));
    }
};

inline TextModel llama2() { return TextModel("llama2-mha", {"<s>", "</s>"}, "llama2"); }
inline TextModel llama3() { return TextModel("llama3-gqa", {"<|begin_of_text|>", "<|eot_id|>"}, "llama3"); }

}  // namespace tandem::test
