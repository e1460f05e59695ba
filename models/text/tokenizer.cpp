#include "models/text/tokenizer.h"

#include <fmt/core.h>

#include <algorithm>

#include "models/io/files.h"
#include "models/io/json_fields.h"
#include "models/text/json_node.h"
#include "models/text/tokenizer/added_tokens.h"
#include "models/text/tokenizer/bpe.h"
#include "models/text/tokenizer/decoder.h"
#include "models/text/tokenizer/normalizer.h"
#include "models/text/tokenizer/post_processor.h"
#include "models/text/tokenizer/pre_tokenizer.h"
#include "models/text/tokenizer/tokenizer_json.h"
#include "models/text/tokenizer/utf8.h"
#include "runtime/error.h"
#include "runtime/utf8.h"

namespace tandem {

using namespace text;

namespace {

// The member, or null where there is none.
JsonNode member(const JsonNode& root, std::string_view key) {
    static const Json null;
    static const std::string nowhere;
    return root.find(key).value_or(JsonNode(null, nowhere, ""));
}

}  // namespace

struct Tokenizer::Model {
    Bpe bpe;
    std::vector<Normalizer> normalizers;
    AddedTokens added;
    std::vector<PreTokenizer> pre_tokenizers;
    std::optional<std::vector<Decoder>> decoders;
    Frame frame;

    // truncation and padding are not looked at: encoding here never truncates nor pads.
    Model(const JsonNode& root, Vocabulary vocabulary, const AddedTokenLists& lists)
        : bpe(root.at("model"), std::move(vocabulary)),
          normalizers(read_normalizers(member(root, "normalizer"))),
          added(lists, bpe, normalizers),
          pre_tokenizers(read_pre_tokenizers(member(root, "pre_tokenizer"))),
          frame(read_post_processor(member(root, "post_processor"), size())) {
        if (auto decoder = root.find("decoder")) decoders = read_decoders(*decoder);
    }

    std::int32_t size() const { return std::max(bpe.size(), added.size()); }

    std::optional<std::string_view> token(std::int32_t id) const {
        if (const AddedToken* t = added.find(id)) return t->content;
        return bpe.token(id);
    }
};

Tokenizer::Tokenizer(std::unique_ptr<Model> model) : model_(std::move(model)) {}
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

Tokenizer Tokenizer::load(const std::filesystem::path& file, std::int64_t model_vocabulary) {
    std::string name = file.string();
    Json rest, config;
    Vocabulary vocabulary = parse_tokenizer_json(read_file(file), name, rest);
    JsonNode root(rest, name, "");
    AddedTokenLists lists{root.find("added_tokens"), {}, model_vocabulary};
    std::filesystem::path beside = file.parent_path() / "tokenizer_config.json";
    std::string config_name = beside.string();
    if (std::filesystem::exists(beside)) {
        config = parse_json_file(beside);
        lists.declared = JsonNode(config, config_name, "").find("added_tokens_decoder");
    }
    return Tokenizer(std::make_unique<Model>(root, std::move(vocabulary), lists));
}

Encoding Tokenizer::encode(std::string_view input, SpecialTokens add) const {
    if (std::size_t valid = valid_utf8(input); valid < input.size())
        throw InputError(fmt::format("[tokenizer] the text is not UTF-8 at byte {}; convert it", valid));
    if (input.size() > UINT32_MAX / 4)
        throw InputError(
            fmt::format("[tokenizer] the text has {} bytes, expected at most 1 GiB; split it", input.size()));
    PreTokenized p = model_->added.extract(input, model_->normalizers);
    for (const PreTokenizer& step : model_->pre_tokenizers) step(p);

    Encoding out;
    auto push = [&](std::int32_t id, std::size_t begin, std::size_t end) {
        out.ids.push_back(id);
        out.spans.push_back({begin, end});
    };
    if (add == SpecialTokens::add)
        for (std::int32_t id : model_->frame.before) push(id, 0, 0);
    std::vector<BpeToken> word;
    for (const Split& s : p.splits) {
        word.clear();
        if (s.token >= 0) word.push_back({s.token, 0, s.end - s.begin});
        else model_->bpe.encode(p.text.view(s.begin, s.end), word);
        for (const BpeToken& t : word) {
            Origin o = p.text.origin(s.begin + t.begin, s.begin + t.end);
            push(t.id, o.begin, o.end);
        }
    }
    if (add == SpecialTokens::add)
        for (std::int32_t id : model_->frame.after) push(id, input.size(), input.size());
    return out;
}

std::string Tokenizer::decode(std::span<const std::int32_t> ids, DecodeSpecial special) const {
    std::vector<std::string> tokens;
    for (std::int32_t id : ids) {
        if (const AddedToken* t = model_->added.find(id)) {
            bool skipped = t->special && t->shown == t->content;  // the library knows them by what is shown
            if (special == DecodeSpecial::keep || !skipped) tokens.push_back(t->shown);
        } else if (auto token = model_->bpe.token(id)) {
            tokens.emplace_back(*token);
        }
    }
    std::string out;
    if (!model_->decoders) {
        for (std::size_t i = 0; i < tokens.size(); i++) out += (i > 0 ? " " : "") + tokens[i];
        return out;
    }
    for (const Decoder& step : *model_->decoders) tokens = step(std::move(tokens));
    for (const std::string& t : tokens) out += t;
    return out;
}

std::optional<std::int32_t> Tokenizer::id_of(std::string_view token) const {
    auto id = model_->added.id_of(token);
    return id ? id : model_->bpe.id_of(token);
}

std::string_view Tokenizer::token(std::int32_t id) const {
    auto token = model_->token(id);
    if (!token) throw InputError(fmt::format("[tokenizer] the id {} is not in the vocabulary of {} ids", id, size()));
    return *token;
}

std::int32_t Tokenizer::size() const { return model_->size(); }

}  // namespace tandem
