// Training samples: token ids with the labels that say which of them are supervised. Read from JSON or JSONL files
// whose objects hold ids, instructions, conversations or plain text.
#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "models/text/chat_template.h"
#include "models/text/tokenizer.h"

namespace tandem {

inline constexpr std::int32_t not_supervised = -100;

struct Sample {
    std::vector<std::int32_t> ids, labels;  // labels[i] belongs to ids[i], not shifted; the loss uses labels[1:]
    std::vector<std::string> unused;        // keys of its record that nothing was made of
};

struct SampleView {
    std::span<const std::int32_t> ids, labels;
};

// Targets of a sample: labels[1:] that are not -100.
std::int64_t count_supervised(std::span<const std::int32_t> labels);

class Dataset {
  public:
    void append(SampleView sample);
    std::int64_t size() const { return std::int64_t(ends_.size()) - 1; }
    SampleView operator[](std::int64_t i) const;
    std::int64_t length(std::int64_t i) const { return ends_[std::size_t(i) + 1] - ends_[std::size_t(i)]; }
    std::int64_t supervised(std::int64_t i) const { return supervised_[std::size_t(i)]; }

    struct Largest {
        std::int64_t length = 0, supervised = 0;  // each the most of any sample
    };
    Largest largest() const { return largest_; }
    std::uint64_t hash() const;  // of all samples in their order

    void count_unused(const std::vector<std::string>& keys);  // of one sample
    // "id, source (3 of 10 samples)"; empty where every key was used.
    std::string unused_keys() const;

  private:
    std::vector<std::int32_t> ids_, labels_;  // all samples, one after the other
    std::vector<std::int64_t> ends_{0};
    std::vector<std::int32_t> supervised_;
    std::map<std::string, std::int64_t> unused_;  // in how many samples
    Largest largest_;
};

// What turns text into ids.
struct TextTools {
    const Tokenizer* tokenizer;
    SpecialStrings special;
    std::optional<ChatTemplate> chat;
    std::string no_chat;  // why there is none or it cannot be used, and what to do; empty: it can

    const ChatTemplate& chat_template() const;  // an InputError says no_chat
};

// Ids of a whole text, BOS once: a special token that the post-processor adds at an end is dropped where the text (from
// a chat template) has it there itself.
Encoding encode_whole(const Tokenizer& tokenizer, std::string_view text);

struct DatasetOptions {
    std::int64_t context_length;
    std::int64_t vocab;  // ids are below
    bool truncate = false;
    std::optional<std::int64_t> limit = {};  // samples; what follows is not read
};

// Of a record's JSON. Throws an InputError without file:line.
Sample read_sample(std::string_view record, const TextTools* tools, const DatasetOptions& options);

// The file may be a pipe. Throws an InputError that names file:line (of a JSON array: where the element starts).
// `tools` may be null: then the data must be ids.
Dataset read_dataset(const std::filesystem::path& file, const TextTools* tools, const DatasetOptions& options);

}  // namespace tandem
