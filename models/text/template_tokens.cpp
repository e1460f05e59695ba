#include "models/text/template_tokens.h"

#include <fmt/core.h>

#include <set>

#include "runtime/error.h"
#include "runtime/utf8.h"

namespace tandem {
namespace {

using Marker = Rendered::Span;

bool before(const Marker& a, const Marker& b) { return a.begin < b.begin; }

// In the rendering of a conversation whose texts hold none.
std::set<Marker, decltype(&before)> markers(const Rendered& r, const std::string& bos, const std::string& end) {
    std::set<Marker, decltype(&before)> out(&before);
    const std::string& text = r.text;
    for (std::size_t at = 0, close; (at = text.find("<|", at)) != text.npos; at = close + 2) {
        if ((close = text.find("|>", at + 2)) == text.npos) break;
        out.insert({at, close + 2});
    }
    if (!bos.empty() && text.starts_with(bos)) out.insert({0, bos.size()});
    for (const Rendered::Span& said : r.supervised) out.insert({said.end - end.size(), said.end});
    return out;
}

}  // namespace

void require_template_tokens(const ChatTemplate& chat, const Tokenizer& tokenizer, const SpecialStrings& special) {
    Rendered r = chat.render({{"user", "x"}, {"assistant", "x"}}, special, GenerationPrompt::add);
    Encoding e = tokenizer.encode(r.text, SpecialTokens::none);
    for (const Marker& m : markers(r, special.bos, chat.end_token(special))) {
        std::string marker = r.text.substr(m.begin, m.end - m.begin);
        std::vector<std::int32_t> pieces;
        for (std::size_t i = 0; i < e.ids.size(); i++)
            if (e.spans[i].begin < m.end && e.spans[i].end > m.begin) pieces.push_back(e.ids[i]);
        if (pieces.size() == 1 && tokenizer.id_of(marker) == pieces[0]) continue;
        throw InputError(fmt::format(
            "[chat template {}] the tokenizer has no token \"{}\" and would cut it into {} pieces; give a model whose "
            "tokenizer has it, or another template",
            chat.name(), excerpt(marker), pieces.size()));
    }
}

}  // namespace tandem
