#include "models/text/dataset/preview.h"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "runtime/joined.h"
#include "runtime/utf8.h"

namespace tandem {
namespace {

// What the ids up to `end` add to the text of those before `begin`: a decoder looks at more than one token. Whole
// characters, fit to be shown.
std::string text_between(const Tokenizer& tokenizer, std::span<const std::int32_t> ids, std::size_t begin,
                         std::size_t end) {
    std::string before = tokenizer.decode(ids.first(begin), DecodeSpecial::keep);
    std::string all = tokenizer.decode(ids.first(end), DecodeSpecial::keep);
    auto same = std::mismatch(before.begin(), before.end(), all.begin(), all.end()).first - before.begin();
    while (same > 0 && (all[std::size_t(same)] & 0xC0) == 0x80) same--;
    return printable(std::string_view(all).substr(std::size_t(same)));
}

std::string ids_between(std::span<const std::int32_t> ids, std::size_t begin, std::size_t end) {
    return fmt::format("{}{}", begin ? " " : "", joined(ids.subspan(begin, end - begin), " "));
}

}  // namespace

Colour colour_of(int file_descriptor) {
    const char* refused = std::getenv("NO_COLOR");
    return isatty(file_descriptor) && (!refused || !*refused) ? Colour::on : Colour::off;
}

std::string preview(SampleView sample, const Tokenizer* tokenizer, Colour colour) {
    const char* open = colour == Colour::on ? "\x1b[32m" : "⟦";
    const char* close = colour == Colour::on ? "\x1b[0m" : "⟧";
    auto target = [&](std::size_t i) { return i > 0 && sample.labels[i] != not_supervised; };
    std::string text;
    for (std::size_t begin = 0, end = 0; begin < sample.ids.size(); begin = end) {
        while (end < sample.ids.size() && target(end) == target(begin)) end++;
        std::string part =
            tokenizer ? text_between(*tokenizer, sample.ids, begin, end) : ids_between(sample.ids, begin, end);
        text += target(begin) ? open + part + close : part;
    }
    return text;
}

}  // namespace tandem
