#include "models/text/tokenizer/added_tokens.h"

#include <algorithm>

#include "models/text/tokenizer/utf8.h"

namespace tandem::text {

void AddedTokens::Search::add(std::string pattern, const AddedToken* token) {
    if (pattern.empty()) return;
    auto& entries = by_first_byte[static_cast<unsigned char>(pattern[0])];
    auto shorter = std::ranges::find_if(entries, [&](const Entry& e) { return e.pattern.size() < pattern.size(); });
    entries.insert(shorter, {std::move(pattern), token});
}

const AddedTokens::Search::Entry* AddedTokens::Search::match(std::string_view text, std::size_t at) const {
    for (const Entry& e : by_first_byte[static_cast<unsigned char>(text[at])])
        if (text.compare(at, e.pattern.size(), e.pattern) == 0) return &e;
    return nullptr;
}

AddedTokens::AddedTokens(const std::optional<JsonNode>& list, const Bpe& bpe,
                         const std::vector<Normalizer>& normalizers)
    : word_character_(Pattern::rust_word_character()) {
    if (!list) return;
    auto items = list->items();
    tokens_.reserve(items.size());  // pointers to the elements are kept
    for (const JsonNode& node : items) {
        AddedToken token = read(node, bpe);
        if (token.content.empty()) continue;
        if (by_content_.contains(token.content)) node.fail("the token \"" + token.content + "\" stands twice");
        if (by_id_.contains(token.id)) node.fail("the id " + std::to_string(token.id) + " stands twice");
        token.shown = token.normalized ? normalize(normalizers, AlignedText(token.content)).view() : token.content;
        const AddedToken* kept = &tokens_.emplace_back(std::move(token));
        by_content_[kept->content] = kept;
        by_id_[kept->id] = kept;
        size_ = std::max(size_, kept->id + 1);
    }
    for (bool special : {true, false})  // of two with the same pattern the special one matches
        for (const AddedToken& t : tokens_) {
            if (t.special == special) (t.normalized ? normalized_ : plain_).add(t.shown, &t);
        }
}

AddedToken AddedTokens::read(const JsonNode& node, const Bpe& bpe) const {
    AddedToken t{.id = std::int32_t(node.at("id").integer(0, largest_id)),
                 .content = node.at("content").string(),
                 .shown = {},
                 .special = node.at("special").boolean(),
                 .normalized = node.at("normalized").boolean(),
                 .single_word = node.at("single_word").boolean(),
                 .lstrip = node.at("lstrip").boolean(),
                 .rstrip = node.at("rstrip").boolean()};
    auto known = bpe.id_of(t.content);
    auto other = bpe.token(t.id);
    if (known && *known != t.id)
        node.at("id").fail("the vocabulary gives \"" + t.content + "\" the id " + std::to_string(*known));
    if (!known && other && !t.content.empty())
        node.at("id").fail("the vocabulary has this id for \"" + std::string(*other) + "\"");
    return t;
}

bool AddedTokens::is_part_of_word(const AddedToken& token, std::string_view text, std::size_t begin,
                                  std::size_t end) const {
    if (!token.single_word) return false;
    auto is_word = [&](std::size_t at) {
        return word_character_.stretches(text.substr(at, char_bytes(text[at])))[0].match;
    };
    std::size_t before = begin;
    while (before > 0 && (before == begin || (text[before] & 0xC0) == 0x80)) before--;
    return (begin > 0 && is_word(before)) || (end < text.size() && is_word(end));
}

std::vector<Split> AddedTokens::cut(const Search& search, std::string_view text) const {
    std::vector<Split> out;
    std::size_t covered = 0;
    for (std::size_t at = 0; at < text.size();) {
        auto* found = search.match(text, at);
        if (!found) {
            at++;
            continue;
        }
        std::size_t begin = at, end = at + found->pattern.size();
        at = end;
        const AddedToken& token = *found->token;
        if (is_part_of_word(token, text, begin, end)) continue;
        if (token.lstrip) {
            while (begin > covered) {
                std::size_t last = begin - 1;
                while ((text[last] & 0xC0) == 0x80) last--;
                if (!is_white_space(code_point(text, last))) break;
                begin = last;
            }
        }
        if (token.rstrip)
            while (end < text.size() && is_white_space(code_point(text, end))) end += char_bytes(text[end]);
        // As in the library, a token may match again in the space that an rstrip before it took; an lstrip may not.
        if (token.lstrip) begin = std::max(begin, covered);
        if (covered < begin) out.push_back({covered, begin});
        if (begin < end) out.push_back({begin, end, token.id});
        covered = end;
    }
    if (covered != text.size()) out.push_back({covered, text.size()});
    return out;
}

PreTokenized AddedTokens::extract(std::string_view input, const std::vector<Normalizer>& normalizers) const {
    AlignedText text(input);
    PreTokenized out;
    out.text.reserve(input.size());
    for (const Split& s : cut(plain_, input)) {
        std::size_t begin = out.text.size();
        if (s.token >= 0) {
            out.text.append(text, s.begin, s.end);
            out.splits.push_back({begin, out.text.size(), s.token});
            continue;
        }
        AlignedText piece;
        piece.append(text, s.begin, s.end);
        piece = normalize(normalizers, std::move(piece));
        for (const Split& t : cut(normalized_, piece.view()))
            out.splits.push_back({begin + t.begin, begin + t.end, t.token});
        out.text.append(piece, 0, piece.size());
    }
    return out;
}

std::optional<std::int32_t> AddedTokens::id_of(std::string_view content) const {
    auto it = by_content_.find(content);
    return it == by_content_.end() ? std::nullopt : std::optional(it->second->id);
}

const AddedToken* AddedTokens::find(std::int32_t id) const {
    auto it = by_id_.find(id);
    return it == by_id_.end() ? nullptr : it->second;
}

}  // namespace tandem::text
