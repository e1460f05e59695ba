// Tokens that are recognised in a text before the model sees it.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "models/text/json_node.h"
#include "models/text/tokenizer/aligned_text.h"
#include "models/text/tokenizer/bpe.h"
#include "models/text/tokenizer/normalizer.h"
#include "models/text/tokenizer/pattern.h"

namespace tandem::text {

struct AddedToken {
    std::int32_t id;
    std::string content;
    std::string shown;  // what decoders see: content, normalized where it is matched after normalization
    bool special, normalized, single_word, lstrip, rstrip;
};

// Where tokens are added, each if it is there.
struct AddedTokenLists {
    std::optional<JsonNode> own;       // added_tokens of tokenizer.json
    std::optional<JsonNode> declared;  // added_tokens_decoder of tokenizer_config.json
    std::int64_t model_vocabulary;     // what is only declared has an id below
};

class AddedTokens {
  public:
    AddedTokens(const AddedTokenLists& lists, const Bpe& bpe, const std::vector<Normalizer>& normalizers);

    // Cuts the input at tokens, normalizes the rest, and cuts that at the tokens that are matched after it.
    PreTokenized extract(std::string_view input, const std::vector<Normalizer>& normalizers) const;

    std::optional<std::int32_t> id_of(std::string_view content) const;
    const AddedToken* find(std::int32_t id) const;
    std::int32_t size() const { return size_; }  // largest id + 1

  private:
    // Leftmost-longest search. At each place only the tokens that begin with its byte are tried, longest first.
    struct Search {
        struct Entry {
            std::string pattern;
            const AddedToken* token;
        };
        std::vector<Entry> by_first_byte[256];
        void add(std::string pattern, const AddedToken* token);
        const Entry* match(std::string_view text, std::size_t at) const;
    };
    void add_own(const std::vector<JsonNode>& list, const Bpe& bpe);
    void add_declared(const std::vector<std::pair<std::int32_t, JsonNode>>& list, const Bpe& bpe,
                      std::int64_t model_vocabulary);
    void add(AddedToken token, const JsonNode& node, const Bpe& bpe);
    bool is_part_of_word(const AddedToken& token, std::string_view text, std::size_t begin, std::size_t end) const;
    std::vector<Split> cut(const Search& search, std::string_view text) const;

    std::vector<AddedToken> tokens_;
    std::unordered_map<std::string_view, AddedToken*> by_content_;
    std::unordered_map<std::int32_t, AddedToken*> by_id_;
    Search plain_, normalized_;
    Pattern word_character_;
    std::int32_t size_ = 0;
};

}  // namespace tandem::text
