#include "models/text/dataset/sample_text.h"

#include <fmt/core.h>

#include <algorithm>

#include "models/text/dataset/conversation.h"
#include "models/text/dataset/record_fields.h"
#include "models/text/dataset/record_keys.h"
#include "models/text/dataset/sample_ids.h"
#include "runtime/error.h"
#include "runtime/utf8.h"

namespace tandem {
namespace {

// Stanford Alpaca's prompts (tatsu-lab/stanford_alpaca, train.py).
constexpr std::string_view alpaca_with_input =
    "Below is an instruction that describes a task, paired with an input that provides further context. "
    "Write a response that appropriately completes the request.\n\n"
    "### Instruction:\n{}\n\n### Input:\n{}\n\n### Response:";
constexpr std::string_view alpaca_without_input =
    "Below is an instruction that describes a task. "
    "Write a response that appropriately completes the request.\n\n"
    "### Instruction:\n{}\n\n### Response:";

// A token is supervised when any of its bytes is: one that spans the border ("▁4" of "[/INST] 4") has to be generated.
Sample supervise(Encoding encoding, const std::vector<Rendered::Span>& spans) {
    Sample sample{std::move(encoding.ids), {}, {}};
    for (std::size_t i = 0; i < sample.ids.size(); i++) {
        auto [begin, end] = encoding.spans[i];
        bool inside = std::any_of(spans.begin(), spans.end(), [&](auto s) { return begin < s.end && end > s.begin; });
        sample.labels.push_back(inside ? sample.ids[i] : not_supervised);
    }
    return sample;
}

void append_eos(Sample& sample, const TextTools& tools) {
    auto eos = tools.special.eos.empty() ? std::nullopt : tools.tokenizer->id_of(tools.special.eos);
    if (!eos)
        throw InputError(
            fmt::format("expected the tokenizer to have an end token, got eos_token '{}'; name one of its tokens "
                        "as eos_token in tokenizer_config.json",
                        excerpt(tools.special.eos)));
    if (sample.ids.empty() || sample.ids.back() != *eos) {
        sample.ids.push_back(*eos);
        sample.labels.push_back(*eos);
    }
    sample.labels.back() = *eos;
}

Sample from_instruction(const Json& record, std::string_view, const TextTools& tools) {
    std::string instruction = text_field(record, "instruction"), output = text_field(record, "output");
    std::string input = given(record, "input") ? text_field(record, "input") : "";
    std::string text = input.empty() ? fmt::format(alpaca_without_input, instruction)
                                     : fmt::format(alpaca_with_input, instruction, input);
    std::size_t prompt = text.size();
    text += output;
    Sample sample = supervise(encode_whole(*tools.tokenizer, text), {{prompt, text.size()}});
    append_eos(sample, tools);
    return sample;
}

Sample from_text(const Json& record, std::string_view key, const TextTools& tools) {
    Sample sample;
    sample.ids = encode_whole(*tools.tokenizer, text_field(record, key)).ids;
    sample.labels = sample.ids;
    append_eos(sample, tools);
    return sample;
}

Sample from_conversation(const Json& record, std::string_view key, const TextTools& tools) {
    Conversation c = conversation(record, key);
    Rendered rendered = tools.chat_template().render(c.messages, tools.special, GenerationPrompt::none);
    std::vector<Rendered::Span> supervised;
    for (std::size_t i = 0; i < rendered.supervised.size(); i++)
        if (c.trained_on[i]) supervised.push_back(rendered.supervised[i]);
    Sample sample = supervise(encode_whole(*tools.tokenizer, rendered.text), supervised);
    for (const std::string& unused : c.unused) sample.unused.push_back(fmt::format("{}[].{}", key, unused));
    return sample;
}

struct Kind {
    std::string_view key;  // a record that has it is of this kind
    const KeyTable& keys;
    Sample (*read)(const Json& record, std::string_view key, const TextTools& tools);
};

constexpr Kind text_kinds[] = {{"messages", conversation_keys, from_conversation},
                               {"conversations", conversation_keys, from_conversation},
                               {"instruction", instruction_keys, from_instruction},
                               {"text", text_keys, from_text}};

const Kind& kind_of(const Json& record) {
    for (const Kind& kind : text_kinds)
        if (given(record, kind.key)) return kind;
    std::string keys;
    for (const auto& [key, value] : record.object())
        if (!value.is_null()) keys += (keys.empty() ? "" : ", ") + key;
    if (keys.empty()) keys = record.object().empty() ? "an empty object" : "nothing but null";
    throw InputError(fmt::format("expected input_ids, messages, conversations, instruction and output, or text; got {}",
                                 excerpt(keys, 200)));
}

Sample sample_of_text(const Json& record, const TextTools* tools) {
    const Kind& kind = kind_of(record);
    if (!tools)
        throw InputError(
            fmt::format("{} needs a tokenizer, and the model has no tokenizer.json; give input_ids", kind.key));
    std::vector<std::string> unused = unused_keys(record, kind.keys, {kind.key});
    Sample sample = kind.read(record, kind.key, *tools);
    sample.unused.insert(sample.unused.end(), unused.begin(), unused.end());
    return sample;
}

// What the last token of a sample becomes where a cut goes through what is supervised: of text the end token, so that
// the model learns to stop; ids stay as they are given.
enum class LastToken { end, as_it_is };

void truncate(Sample& sample, std::size_t length, LastToken last) {
    std::size_t whole = sample.ids.size();
    std::int64_t supervised = count_supervised(sample.labels);
    if (whole <= length) return;
    std::int32_t end = not_supervised;
    for (std::int32_t label : sample.labels)
        if (label != not_supervised) end = label;
    sample.ids.resize(length);
    sample.labels.resize(length);
    if (last == LastToken::end && sample.labels.back() != not_supervised)
        sample.ids.back() = sample.labels.back() = end;
    if (supervised > 0 && count_supervised(sample.labels) == 0)
        throw InputError(
            fmt::format("no supervised token is left of {} by the cut to {} of the {} tokens of this "
                        "sample; raise {} or leave the sample out",
                        supervised, length, whole, setting("context_length")));
}

}  // namespace

Encoding encode_whole(const Tokenizer& tokenizer, std::string_view text) {
    Encoding e = tokenizer.encode(text, SpecialTokens::add);
    auto added = [&](std::size_t i) { return e.spans[i].begin == e.spans[i].end; };
    if (e.ids.size() > 1 && added(0) && e.ids[0] == e.ids[1]) {
        e.ids.erase(e.ids.begin());
        e.spans.erase(e.spans.begin());
    }
    if (std::size_t n = e.ids.size(); n > 1 && added(n - 1) && e.ids[n - 1] == e.ids[n - 2]) {
        e.ids.pop_back();
        e.spans.pop_back();
    }
    return e;
}

Sample make_sample(const Json& record, const TextTools* tools, const DatasetOptions& options) {
    if (!record.is_object()) throw InputError(fmt::format("expected a JSON object, got {}", record.kind_name()));
    bool ids = given(record, "input_ids");
    Sample sample = ids ? sample_of_ids(record, options.vocab) : sample_of_text(record, tools);
    if (options.truncate)
        truncate(sample, std::size_t(options.context_length), ids ? LastToken::as_it_is : LastToken::end);
    return sample;
}

}  // namespace tandem
