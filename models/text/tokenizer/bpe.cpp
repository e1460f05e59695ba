#include "models/text/tokenizer/bpe.h"

#include <fmt/core.h>

#include <bit>
#include <queue>
#include <utility>

#include "models/text/tokenizer/utf8.h"
#include "runtime/error.h"
#include "runtime/utf8.h"

namespace tandem::text {
namespace {

constexpr std::uint64_t no_pair = ~std::uint64_t(0);

std::uint64_t pair_of(std::int32_t left, std::int32_t right) {
    return std::uint64_t(std::uint32_t(left)) << 32 | std::uint32_t(right);
}

struct Symbol {
    std::int32_t id;
    std::ptrdiff_t previous, next;
    std::size_t begin, end;
    bool gone = false;
};

struct Candidate {
    std::int32_t rank, id;
    std::ptrdiff_t at;
    bool operator>(const Candidate& o) const { return rank != o.rank ? rank > o.rank : at > o.at; }
};

class Merger {
  public:
    Merger(const MergeTable& merges, const std::vector<BpeToken>& characters) : merges_(merges) {
        symbols_.reserve(characters.size());
        auto count = std::ptrdiff_t(characters.size());
        for (std::ptrdiff_t i = 0; i < count; i++) {
            const BpeToken& c = characters[std::size_t(i)];
            symbols_.push_back({c.id, i - 1, i + 1 < count ? i + 1 : -1, c.begin, c.end});
        }
        for (std::ptrdiff_t i = 0; i + 1 < count; i++) propose(i);
    }

    void run(std::vector<BpeToken>& out) {
        while (!queue_.empty()) {
            Candidate best = queue_.top();
            queue_.pop();
            merge(best);
        }
        for (const Symbol& s : symbols_)
            if (!s.gone) out.push_back({s.id, s.begin, s.end});
    }

  private:
    Symbol& at(std::ptrdiff_t i) { return symbols_[std::size_t(i)]; }

    void propose(std::ptrdiff_t left) {
        if (left < 0 || at(left).next < 0) return;
        if (auto* m = merges_.find(at(left).id, at(at(left).next).id)) queue_.push({m->rank, m->id, left});
    }

    void merge(const Candidate& c) {
        Symbol& left = at(c.at);
        if (left.gone || left.next < 0) return;
        Symbol& right = at(left.next);
        auto* m = merges_.find(left.id, right.id);
        if (!m || m->id != c.id) return;  // outdated; as in the library, the result decides, not the rank
        left.id = c.id;
        left.end = right.end;
        left.next = right.next;
        right.gone = true;
        if (left.next >= 0) at(left.next).previous = c.at;
        propose(left.previous);
        propose(c.at);
    }

    const MergeTable& merges_;
    std::vector<Symbol> symbols_;
    std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> queue_;
};

void refuse_unsupported(const JsonNode& model) {
    if (auto type = model.find("type"); type && type->string() != "BPE")
        type->fail("the model \"" + type->string() + "\" is not supported (known: BPE)");
    if (auto dropout = model.find("dropout"); dropout && dropout->number() != 0)
        dropout->fail("BPE dropout is not supported, got " + dropout->text());
    for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"})
        if (auto affix = model.find(key); affix && !affix->string().empty())
            affix->fail("this is not supported, got " + affix->text());
}

}  // namespace

MergeTable::MergeTable(std::size_t merges)
    : slots_(std::bit_ceil(merges * 2 + 2), Slot{no_pair, {}}), shift_(64 - std::countr_zero(slots_.size())) {}

std::size_t MergeTable::slot(std::uint64_t pair) const {
    std::size_t at = std::size_t(pair * 0x9E3779B97F4A7C15u >> shift_);
    while (slots_[at].pair != pair && slots_[at].pair != no_pair) at = (at + 1) & (slots_.size() - 1);
    return at;
}

void MergeTable::set(std::int32_t left, std::int32_t right, Merge merge) {
    slots_[slot(pair_of(left, right))] = {pair_of(left, right), merge};
}

const MergeTable::Merge* MergeTable::find(std::int32_t left, std::int32_t right) const {
    const Slot& s = slots_[slot(pair_of(left, right))];
    return s.pair == no_pair ? nullptr : &s.merge;
}

Bpe::Bpe(const JsonNode& model, Vocabulary vocabulary)
    : merges_(vocabulary.merges.size()),
      fuse_unknown_(model.boolean("fuse_unk", false)),
      byte_fallback_(model.boolean("byte_fallback", false)),
      ignore_merges_(model.boolean("ignore_merges", false)) {
    refuse_unsupported(model);
    add_tokens(model, vocabulary);
    add_merges(model, vocabulary);
    short_characters_.fill(-1);
    for (std::uint32_t c = 0; c < short_characters_.size(); c++) {
        std::string text;
        append_code_point(text, c);
        short_characters_[c] = id_of(text).value_or(-1);
    }
    for (int b = 0; b < 256; b++) bytes_[std::size_t(b)] = id_of(fmt::format("<0x{:02X}>", b)).value_or(-1);
    if (auto unknown = model.find("unk_token")) {
        unknown_ = id_of(unknown->string());
        if (!unknown_) missing_unknown_ = unknown->string();  // as in the library, no matter until one is needed
    }
}

void Bpe::add_tokens(const JsonNode& model, Vocabulary& vocabulary) {
    std::int32_t largest = -1;
    for (auto& [token, id] : vocabulary.tokens) largest = std::max(largest, id);
    tokens_.resize(std::size_t(largest) + 1);
    std::vector<bool> taken(tokens_.size());
    ids_.reserve(vocabulary.tokens.size());
    for (auto& [token, id] : vocabulary.tokens) {
        if (taken[std::size_t(id)] && tokens_[std::size_t(id)] == token) continue;
        if (taken[std::size_t(id)])
            model.fail(fmt::format("in vocab the id {} stands twice, for \"{}\" too", id, token));
        taken[std::size_t(id)] = true;
        tokens_[std::size_t(id)] = std::move(token);
        if (!ids_.emplace(tokens_[std::size_t(id)], id).second)
            model.fail(fmt::format("in vocab the token \"{}\" stands twice", tokens_[std::size_t(id)]));
    }
}

void Bpe::add_merges(const JsonNode& model, const Vocabulary& vocabulary) {
    std::string both;
    for (std::size_t rank = 0; rank < vocabulary.merges.size(); rank++) {
        auto& [left, right] = vocabulary.merges[rank];
        both.assign(left).append(right);
        std::int32_t id[3];
        for (int i = 0; i < 3; i++) {
            const std::string& token = i == 0 ? left : i == 1 ? right : both;
            auto found = ids_.find(token);
            if (found == ids_.end())
                model.fail(fmt::format("merges[{}] names \"{}\", which is not in the vocabulary", rank, token));
            id[i] = found->second;
        }
        merges_.set(id[0], id[1], {std::int32_t(rank), id[2]});
    }
}

std::optional<std::int32_t> Bpe::id_of(std::string_view token) const {
    auto it = ids_.find(token);
    return it == ids_.end() ? std::nullopt : std::optional(it->second);
}

std::optional<std::string_view> Bpe::token(std::int32_t id) const {
    if (id < 0 || id >= size()) return std::nullopt;
    const std::string& t = tokens_[std::size_t(id)];
    if (t.empty() && id_of(t) != id) return std::nullopt;  // a hole
    return t;
}

std::int32_t Bpe::id_of_character(std::string_view c) const {
    return c.size() <= 2 ? short_characters_[code_point(c, 0)] : id_of(c).value_or(-1);
}

// What the merges start from: characters, or bytes where a character is unknown, or the unknown token.
std::vector<BpeToken> Bpe::characters(std::string_view word) const {
    std::vector<BpeToken> out;
    out.reserve(word.size());
    std::optional<BpeToken> unknown;  // waits for its like to fuse with
    auto flush = [&] {
        if (unknown) out.push_back(*unknown);
        unknown.reset();
    };
    auto byte = [&](std::size_t i) { return bytes_[static_cast<unsigned char>(word[i])]; };
    for (std::size_t begin = 0, end; begin < word.size(); begin = end) {
        end = begin + char_bytes(word[begin]);
        if (std::int32_t id = id_of_character(word.substr(begin, end - begin)); id >= 0) {
            flush();
            out.push_back({id, begin, end});
            continue;
        }
        bool known_bytes = byte_fallback_;
        for (std::size_t i = begin; i < end; i++) known_bytes = known_bytes && byte(i) >= 0;
        if (known_bytes) {  // as in the library, a waiting unknown token goes behind these
            for (std::size_t i = begin; i < end; i++) out.push_back({byte(i), i, i + 1});
        } else if (unknown_ && unknown && fuse_unknown_) {
            unknown->end = end;
        } else if (unknown_) {
            flush();
            unknown = {*unknown_, begin, end};
        } else if (missing_unknown_) {
            refuse_unknown(word.substr(begin, end - begin));
        }
    }
    flush();
    return out;
}

void Bpe::refuse_unknown(std::string_view character) const {
    throw InputError(fmt::format("[tokenizer] the vocabulary has neither \"{}\" nor the unk_token \"{}\" that "
                                 "tokenizer.json would put in its place; name one of its tokens there, or none",
                                 excerpt(character), excerpt(*missing_unknown_)));
}

void Bpe::encode(std::string_view word, std::vector<BpeToken>& out) const {
    if (ignore_merges_)
        if (auto id = id_of(word)) {
            out.push_back({*id, 0, word.size()});
            return;
        }
    Merger(merges_, characters(word)).run(out);
}

}  // namespace tandem::text
