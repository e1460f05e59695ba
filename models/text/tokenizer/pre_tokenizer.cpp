#include "models/text/tokenizer/pre_tokenizer.h"

#include "models/text/tokenizer/byte_level.h"
#include "models/text/tokenizer/pattern.h"
#include "models/text/tokenizer/read_pattern.h"

namespace tandem::text {
namespace {

enum class Cut { at_matches, between_them };

void split(PreTokenized& p, const Pattern& pattern, Behaviour behaviour, Cut cuts) {
    std::vector<Split> out;
    for (const Split& s : p.splits) {
        if (s.token >= 0) {
            out.push_back(s);
            continue;
        }
        auto stretches = pattern.stretches(p.text.view(s.begin, s.end));
        if (cuts == Cut::between_them)
            for (Stretch& t : stretches) t.match = !t.match;
        for (const Stretch& t : cut(std::move(stretches), behaviour))
            if (t.begin != t.end) out.push_back({s.begin + t.begin, s.begin + t.end});
    }
    p.splits = std::move(out);
}

// Writes the text of every split anew: write(from, split, to) appends.
template <class Write> void rewrite(PreTokenized& p, Write&& write) {
    PreTokenized out;
    out.text.reserve(p.text.size() + p.text.size() / 4);
    out.splits.reserve(p.splits.size());
    for (const Split& s : p.splits) {
        std::size_t begin = out.text.size();
        if (s.token >= 0) out.text.append(p.text, s.begin, s.end);
        else write(p.text, s, out.text);
        out.splits.push_back({begin, out.text.size(), s.token});
    }
    p = std::move(out);
}

PreTokenizer read_split(const JsonNode& node) {
    Pattern pattern = read_pattern(node.at("pattern"));
    JsonNode named = node.at("behavior");
    std::string name = named.string();
    Behaviour behaviour{};
    if (name == "Isolated") behaviour = Behaviour::isolated;
    else if (name == "Removed") behaviour = Behaviour::removed;
    else if (name == "MergedWithPrevious") behaviour = Behaviour::merged_with_previous;
    else if (name == "MergedWithNext") behaviour = Behaviour::merged_with_next;
    else if (name == "Contiguous") behaviour = Behaviour::contiguous;
    else named.fail("the split behaviour \"" + name + "\" is not supported");
    const Cut cuts = node.at("invert").boolean() ? Cut::between_them : Cut::at_matches;
    return [=](PreTokenized& p) { split(p, pattern, behaviour, cuts); };
}

PreTokenizer read_digits(const JsonNode& node) {
    Behaviour behaviour = node.boolean("individual_digits", false) ? Behaviour::isolated : Behaviour::contiguous;
    return [pattern = Pattern::regex("\\p{N}"), behaviour](PreTokenized& p) {
        split(p, pattern, behaviour, Cut::at_matches);
    };
}

PreTokenizer read_byte_level(const JsonNode& node) {
    bool prefix = node.at("add_prefix_space").boolean();
    node.at("trim_offsets").boolean();
    bool use_regex = node.boolean("use_regex", true);
    Pattern words = Pattern::regex(R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)");
    return [=](PreTokenized& p) {
        if (prefix)
            rewrite(p, [](const AlignedText& from, const Split& s, AlignedText& to) {
                if (from.view()[s.begin] != ' ') to.insert_before(from, s.begin, " ");
                to.append(from, s.begin, s.end);
            });
        if (use_regex) split(p, words, Behaviour::isolated, Cut::at_matches);
        rewrite(p, [](const AlignedText& from, const Split& s, AlignedText& to) {
            for (std::size_t i = s.begin; i < s.end; i++)
                to.append(byte_level_character(static_cast<unsigned char>(from.view()[i])), from.origin(i, i + 1));
        });
    };
}

enum class PrependScheme { always, first, never };

void metaspace(PreTokenized& p, const std::string& replacement, PrependScheme scheme) {
    rewrite(p, [&](const AlignedText& from, const Split& s, AlignedText& to) {
        std::string_view text = from.view(s.begin, s.end);
        bool wanted = scheme == PrependScheme::always ||
                      (scheme == PrependScheme::first && from.origin(s.begin, s.end).begin == 0);
        if (wanted && !text.starts_with(' ') && !text.starts_with(replacement))
            to.insert_before(from, s.begin, replacement);
        for (std::size_t i = s.begin; i < s.end; i++) {
            if (from.view()[i] == ' ') to.append(replacement, from.origin(i, i + 1));
            else to.append(from, i, i + 1);
        }
    });
}

PreTokenizer read_metaspace(const JsonNode& node) {
    std::string replacement = read_character(node.at("replacement"));
    bool do_split = node.boolean("split", true);
    auto old = node.find("add_prefix_space");
    auto named = node.find("prepend_scheme");
    PrependScheme scheme = old && !old->boolean() ? PrependScheme::never : PrependScheme::always;
    if (named) {
        std::string name = named->string();
        if (name == "always") scheme = PrependScheme::always;
        else if (name == "first") scheme = PrependScheme::first;
        else if (name == "never") scheme = PrependScheme::never;
        else named->fail("the prepend scheme \"" + name + "\" is not supported (known: always, first, never)");
        if (old && !old->boolean() && scheme != PrependScheme::never)
            old->fail("add_prefix_space false contradicts the prepend scheme \"" + name + "\"");
    }
    return [=, pattern = Pattern::literal(replacement)](PreTokenized& p) {
        metaspace(p, replacement, scheme);
        if (do_split) split(p, pattern, Behaviour::merged_with_next, Cut::at_matches);
    };
}

void read(const JsonNode& node, std::vector<PreTokenizer>& steps) {
    std::string type = node.at("type").string();
    if (type == "Sequence")
        for (const JsonNode& item : node.at("pretokenizers").items()) read(item, steps);
    else if (type == "Split") steps.push_back(read_split(node));
    else if (type == "ByteLevel") steps.push_back(read_byte_level(node));
    else if (type == "Digits") steps.push_back(read_digits(node));
    else if (type == "Metaspace") steps.push_back(read_metaspace(node));
    else
        node.at("type").fail("the pre-tokenizer \"" + type +
                             "\" is not supported (known: Sequence, Split, ByteLevel, Digits, Metaspace)");
}

}  // namespace

std::vector<PreTokenizer> read_pre_tokenizers(const JsonNode& node) {
    std::vector<PreTokenizer> steps;
    if (!node.is_null()) read(node, steps);
    return steps;
}

}  // namespace tandem::text
