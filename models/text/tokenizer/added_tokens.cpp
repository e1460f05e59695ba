#include "models/text/tokenizer/added_tokens.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>

#include "models/text/tokenizer/utf8.h"
#include "runtime/utf8.h"

namespace tandem::text {
namespace {

using DeclaredTokens = std::vector<std::pair<std::int32_t, JsonNode>>;

// The members of added_tokens_decoder: {"<id>": token}.
DeclaredTokens in_order_of_ids(const JsonNode& node) {
    DeclaredTokens out;
    for (const auto& [key, token] : node.members()) {
        std::int32_t id = -1;
        auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), id);
        if (error != std::errc() || end != key.data() + key.size() || id < 0 || id > largest_id)
            token.fail(fmt::format("expected ids from 0 to {} as names", largest_id));
        out.emplace_back(id, token);
    }
    std::ranges::stable_sort(out, {}, [](const auto& entry) { return entry.first; });
    return out;
}

}  // namespace

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

AddedTokens::AddedTokens(const AddedTokenLists& lists, const Bpe& bpe, const std::vector<Normalizer>& normalizers)
    : word_character_(Pattern::rust_word_character()) {
    auto own = lists.own ? lists.own->items() : std::vector<JsonNode>();
    auto declared = lists.declared ? in_order_of_ids(*lists.declared) : DeclaredTokens();
    tokens_.reserve(own.size() + declared.size());  // pointers to the elements are kept
    add_own(own, bpe);
    add_declared(declared, bpe, lists.model_vocabulary);
    for (AddedToken& t : tokens_)
        t.shown = t.normalized ? normalize(normalizers, AlignedText(t.content)).view() : t.content;
    for (bool special : {true, false})  // of two with the same pattern the special one matches
        for (const AddedToken& t : tokens_) {
            if (t.special == special) (t.normalized ? normalized_ : plain_).add(t.shown, &t);
        }
}

void AddedTokens::add_own(const std::vector<JsonNode>& list, const Bpe& bpe) {
    for (const JsonNode& node : list)
        add({.id = std::int32_t(node.at("id").integer(0, largest_id)),
             .content = node.at("content").string(),
             .shown = {},
             .special = node.at("special").boolean(),
             .normalized = node.at("normalized").boolean(),
             .single_word = node.at("single_word").boolean(),
             .lstrip = node.at("lstrip").boolean(),
             .rstrip = node.at("rstrip").boolean()},
            node, bpe);
}

// As transformers adds them: each that is new gets the next id, whatever is declared, and one that is there already
// gets these flags.
void AddedTokens::add_declared(const DeclaredTokens& list, const Bpe& bpe, std::int64_t model_vocabulary) {
    for (const auto& [id, node] : list) {
        AddedToken t{.id = id,
                     .content = node.at("content").string(),
                     .shown = {},
                     .special = node.boolean("special", false),
                     .normalized = false,
                     .single_word = node.boolean("single_word", false),
                     .lstrip = node.boolean("lstrip", false),
                     .rstrip = node.boolean("rstrip", false)};
        t.normalized = node.boolean("normalized", !t.special);
        if (t.content.empty()) continue;
        std::optional<std::int32_t> known = id_of(t.content);
        if (!known) known = bpe.id_of(t.content);
        std::int32_t given = known.value_or(std::max(bpe.entries(), size_));
        if (given != id)
            node.fail(fmt::format("the token \"{}\" is declared with the id {}, and {} {}; correct the id, or add the "
                                  "token to tokenizer.json",
                                  excerpt(t.content), id,
                                  known ? "tokenizer.json has it with" : "added behind tokenizer.json's it would get",
                                  given));
        if (!known && id >= model_vocabulary)
            node.fail(fmt::format("the token \"{}\" has the id {}, the model has {} ids; take it out here, or give a "
                                  "model whose embedding was resized",
                                  excerpt(t.content), id, model_vocabulary));
        add(std::move(t), node, bpe);
    }
}

void AddedTokens::add(AddedToken token, const JsonNode& node, const Bpe& bpe) {
    if (token.content.empty()) return;
    if (auto before = by_content_.find(token.content); before != by_content_.end()) {
        AddedToken& kept = *before->second;
        if (kept.id != token.id)
            node.fail(fmt::format("the token \"{}\" stands twice, with the ids {} and {}", excerpt(token.content),
                                  kept.id, token.id));
        kept.special = kept.special || token.special;  // as in the library, which takes the last one's other flags
        kept.normalized = token.normalized;
        kept.single_word = token.single_word;
        kept.lstrip = token.lstrip;
        kept.rstrip = token.rstrip;
        return;
    }
    if (by_id_.contains(token.id)) node.fail("the id " + std::to_string(token.id) + " stands twice");
    auto known = bpe.id_of(token.content);
    auto other = bpe.token(token.id);
    if (known && *known != token.id)
        node.at("id").fail(fmt::format("the vocabulary gives \"{}\" the id {}", excerpt(token.content), *known));
    if (!known && other) node.fail(fmt::format("the vocabulary has the id {} for \"{}\"", token.id, excerpt(*other)));
    AddedToken* kept = &tokens_.emplace_back(std::move(token));
    by_content_[kept->content] = kept;
    by_id_[kept->id] = kept;
    size_ = std::max(size_, kept->id + 1);
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
