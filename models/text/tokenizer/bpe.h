// Byte pair encoding as Hugging Face's BPE model does it: O(n log n) per word.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "models/text/json_node.h"
#include "models/text/tokenizer/aligned_text.h"
#include "models/text/tokenizer/tokenizer_json.h"

namespace tandem::text {

// Pair of ids -> what they merge to. Open addressing; the number of merges is known.
class MergeTable {
  public:
    struct Merge {
        std::int32_t rank, id;
    };
    explicit MergeTable(std::size_t merges);
    void set(std::int32_t left, std::int32_t right, Merge merge);  // a later rank for the same pair wins
    const Merge* find(std::int32_t left, std::int32_t right) const;

  private:
    struct Slot {
        std::uint64_t pair;
        Merge merge;
    };
    std::size_t slot(std::uint64_t pair) const;
    std::vector<Slot> slots_;
    int shift_;
};

struct BpeToken {
    std::int32_t id;
    std::size_t begin, end;  // bytes of the word
};

class Bpe {
  public:
    Bpe(const JsonNode& model, Vocabulary vocabulary);  // the model without its vocabulary and merges

    void encode(std::string_view word, std::vector<BpeToken>& out) const;  // appends
    std::optional<std::int32_t> id_of(std::string_view token) const;
    std::optional<std::string_view> token(std::int32_t id) const;
    std::int32_t size() const { return std::int32_t(tokens_.size()); }    // largest id + 1
    std::int32_t entries() const { return std::int32_t(ids_.size()); }  // fewer where ids are left out

  private:
    void add_tokens(const JsonNode& model, Vocabulary& vocabulary);
    void add_merges(const JsonNode& model, const Vocabulary& vocabulary);
    std::int32_t id_of_character(std::string_view c) const;  // -1: none
    std::vector<BpeToken> characters(std::string_view word) const;
    [[noreturn]] void refuse_unknown(std::string_view character) const;

    std::vector<std::string> tokens_;  // by id; empty where there is none
    std::unordered_map<std::string_view, std::int32_t> ids_;
    std::array<std::int32_t, 0x800> short_characters_;  // ids by code point: all of the byte-level alphabet
    std::array<std::int32_t, 256> bytes_;               // ids of <0xHH>
    MergeTable merges_;
    std::optional<std::int32_t> unknown_;
    std::optional<std::string> missing_unknown_;  // an unk_token that the vocabulary lacks
    bool fuse_unknown_, byte_fallback_, ignore_merges_;
};

}  // namespace tandem::text
