#include "models/text/tokenizer/decoder.h"

#include <charconv>

#include "models/text/tokenizer/byte_level.h"
#include "models/text/tokenizer/read_pattern.h"
#include "models/text/tokenizer/utf8.h"
#include "runtime/utf8.h"

namespace tandem::text {
namespace {

using Tokens = std::vector<std::string>;

Tokens fuse(Tokens tokens) {
    std::string all;
    for (const std::string& t : tokens) all += t;
    return {std::move(all)};
}

Tokens byte_level(Tokens tokens) {
    std::string bytes;
    for (const std::string& t : tokens)
        if (!append_byte_level_bytes(t, bytes)) bytes += t;
    return {replace_ill_formed(bytes)};
}

// The byte that <0xHH> stands for, or -1.
int fallback_byte(const std::string& t) {
    if (t.size() != 6 || !t.starts_with("<0x") || t[5] != '>') return -1;
    int byte = 0;
    auto [end, error] = std::from_chars(t.data() + 3, t.data() + 5, byte, 16);
    return error == std::errc() && end == t.data() + 5 && byte >= 0 ? byte : -1;
}

Tokens byte_fallback(Tokens tokens) {
    Tokens out;
    std::string bytes;
    auto flush = [&] {
        if (bytes.empty()) return;
        if (valid_utf8(bytes) == bytes.size()) out.push_back(bytes);
        else out.insert(out.end(), bytes.size(), "\uFFFD");  // the whole run, as the library does
        bytes.clear();
    };
    for (std::string& t : tokens) {
        int byte = fallback_byte(t);
        if (byte >= 0) {
            bytes += static_cast<char>(byte);
        } else {
            flush();
            out.push_back(std::move(t));
        }
    }
    flush();
    return out;
}

Decoder strip(std::string content, std::int64_t start, std::int64_t stop) {
    return [=](Tokens tokens) {
        for (std::string& t : tokens) {
            std::size_t begin = 0, end = t.size();
            for (std::int64_t i = 0; i < start && t.compare(begin, content.size(), content) == 0; i++)
                begin += content.size();
            for (std::int64_t i = 0; i < stop && end >= begin + content.size() &&
                                     t.compare(end - content.size(), content.size(), content) == 0; i++)
                end -= content.size();
            t = t.substr(begin, end - begin);
        }
        return tokens;
    };
}

Decoder replace(Pattern pattern, std::string by) {
    return [=](Tokens tokens) {
        for (std::string& t : tokens) {
            std::string out;
            for (const Stretch& s : pattern.stretches(t)) {
                if (s.match) out += by;
                else out.append(t, s.begin, s.end - s.begin);
            }
            t = std::move(out);
        }
        return tokens;
    };
}

// Every replacement character is a space, but those of the first token vanish where encoding may have put one.
Decoder read_metaspace(const JsonNode& node) {
    std::string replacement = read_character(node.at("replacement"));
    auto old = node.find("add_prefix_space");
    auto scheme = node.find("prepend_scheme");
    bool prepends = scheme ? scheme->string() != "never" : !old || old->boolean();
    Pattern pattern = Pattern::literal(replacement);
    return [first = replace(pattern, prepends ? "" : " "), rest = replace(pattern, " ")](Tokens tokens) {
        if (tokens.empty()) return tokens;
        Tokens head = first({tokens.front()});
        tokens = rest(std::move(tokens));
        tokens.front() = std::move(head.front());
        return tokens;
    };
}

void read(const JsonNode& node, std::vector<Decoder>& steps) {
    std::string type = node.at("type").string();
    if (type == "Sequence")
        for (const JsonNode& item : node.at("decoders").items()) read(item, steps);
    else if (type == "ByteLevel") steps.push_back(byte_level);
    else if (type == "ByteFallback") steps.push_back(byte_fallback);
    else if (type == "Fuse") steps.push_back(fuse);
    else if (type == "Strip")
        steps.push_back(strip(read_character(node.at("content")), node.at("start").integer(0, INT32_MAX),
                              node.at("stop").integer(0, INT32_MAX)));
    else if (type == "Replace") steps.push_back(replace(read_pattern(node.at("pattern")), node.at("content").string()));
    else if (type == "Metaspace") steps.push_back(read_metaspace(node));
    else
        node.at("type").fail("the decoder \"" + type + "\" is not supported (known: Sequence, ByteLevel, " +
                             "ByteFallback, Fuse, Strip, Replace, Metaspace)");
}

}  // namespace

std::vector<Decoder> read_decoders(const JsonNode& node) {
    std::vector<Decoder> steps;
    read(node, steps);
    return steps;
}

}  // namespace tandem::text
