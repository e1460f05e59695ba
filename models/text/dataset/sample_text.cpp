#include "models/text/dataset/sample_text.h"

#include <fmt/core.h>

#include <algorithm>

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

std::string text_field(const Json& object, const char* key) {
    const Json* field = object.find(key);
    if (!field) throw InputError(fmt::format("expected {}, which is missing", key));
    if (!field->is_string()) throw InputError(fmt::format("expected {} to be text, got {}", key, field->kind_name()));
    return field->string();
}

std::vector<std::int32_t> id_list(const Json& object, const char* key, std::int64_t vocab, bool mask_allowed) {
    const Json& list = object.at(key);
    if (!list.is_array())
        throw InputError(fmt::format("expected {} to be a list of ids, got {}", key, list.kind_name()));
    std::vector<std::int32_t> ids;
    ids.reserve(list.array().size());
    for (const Json& item : list.array()) {
        if (item.kind() != Json::Kind::integer)
            throw InputError(
                fmt::format("expected {} to hold integers, got {} as number {}", key, item.text(), ids.size()));
        std::int64_t id = item.integer();
        if (!(id >= 0 && id < vocab) && !(mask_allowed && id == not_supervised))
            throw InputError(fmt::format("expected ids below the vocabulary's {} in {}, got {} as number {}", vocab,
                                         key, item.text(), ids.size()));
        ids.push_back(std::int32_t(id));
    }
    return ids;
}

Sample from_ids(const Json& object, const DatasetOptions& options) {
    Sample sample;
    sample.ids = id_list(object, "input_ids", options.vocab, false);
    sample.labels = object.find("labels") ? id_list(object, "labels", options.vocab, true) : sample.ids;
    if (sample.labels.size() != sample.ids.size())
        throw InputError(fmt::format("expected as many labels as input_ids, got {} labels for {} ids",
                                     sample.labels.size(), sample.ids.size()));
    return sample;
}

// A token is supervised when any of its bytes is: one that spans the border ("▁4" of "[/INST] 4") has to be generated.
Sample supervise(Encoding encoding, const std::vector<Rendered::Span>& spans) {
    Sample sample{std::move(encoding.ids), {}};
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
                        tools.special.eos));
    if (sample.ids.empty() || sample.ids.back() != *eos) {
        sample.ids.push_back(*eos);
        sample.labels.push_back(*eos);
    }
    sample.labels.back() = *eos;
}

Sample from_instruction(const Json& object, const TextTools& tools) {
    std::string instruction = text_field(object, "instruction"), output = text_field(object, "output");
    std::string input = object.find("input") && !object.at("input").is_null() ? text_field(object, "input") : "";
    std::string text = input.empty() ? fmt::format(alpaca_without_input, instruction)
                                     : fmt::format(alpaca_with_input, instruction, input);
    std::size_t prompt = text.size();
    text += output;
    Sample sample = supervise(encode_whole(*tools.tokenizer, text), {{prompt, text.size()}});
    append_eos(sample, tools);
    return sample;
}

Sample from_text(const Json& object, const TextTools& tools) {
    Sample sample;
    sample.ids = encode_whole(*tools.tokenizer, text_field(object, "text")).ids;
    sample.labels = sample.ids;
    append_eos(sample, tools);
    return sample;
}

// {"role", "content"}, or ShareGPT's {"from", "value"}.
Message message_of(const Json& turn) {
    if (!turn.is_object()) throw InputError(fmt::format("expected a turn to be an object, got {}", turn.kind_name()));
    bool sharegpt = turn.find("from") != nullptr;
    std::string role = text_field(turn, sharegpt ? "from" : "role");
    std::string content = text_field(turn, sharegpt ? "value" : "content");
    if (role == "human") role = "user";
    if (role == "gpt") role = "assistant";
    if (role != "system" && role != "user" && role != "assistant")
        throw InputError(fmt::format("expected a turn of system, user (human) or assistant (gpt), got '{}'", role));
    return {role, content};
}

Sample from_conversation(const Json& object, const char* key, const TextTools& tools) {
    const Json& turns = object.at(key);
    if (!turns.is_array() || turns.array().empty())
        throw InputError(fmt::format("expected {} to be a list of turns, got {}", key, excerpt(turns.text(), 40)));
    std::vector<Message> messages;
    for (const Json& turn : turns.array()) messages.push_back(message_of(turn));
    if (!tools.chat) throw InputError(tools.no_chat);
    Rendered rendered = tools.chat->render(messages, tools.special, false);
    return supervise(encode_whole(*tools.tokenizer, rendered.text), rendered.supervised);
}

// Cuts to `length` tokens. A cut through what is supervised keeps the end token, so that the model learns to stop.
void truncate(Sample& sample, std::size_t length) {
    if (sample.ids.size() <= length) return;
    std::int32_t end = not_supervised;
    for (std::int32_t label : sample.labels)
        if (label != not_supervised) end = label;
    sample.ids.resize(length);
    sample.labels.resize(length);
    if (sample.labels.back() != not_supervised) sample.ids.back() = sample.labels.back() = end;
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

Sample make_sample(const Json& object, const TextTools* tools, const DatasetOptions& options) {
    if (!object.is_object()) throw InputError(fmt::format("expected a JSON object, got {}", object.kind_name()));
    std::size_t context = std::size_t(options.context_length);
    if (object.find("input_ids")) {
        Sample sample = from_ids(object, options);
        if (options.truncate && sample.ids.size() > context) {
            sample.ids.resize(context);
            sample.labels.resize(context);
        }
        return sample;
    }
    const char* kind = nullptr;
    for (const char* key : {"messages", "conversations", "instruction", "text"})
        if (!kind && object.find(key)) kind = key;
    if (!kind) {
        std::string keys;
        for (const auto& [key, value] : object.object()) keys += (keys.empty() ? "" : ", ") + key;
        throw InputError(
            fmt::format("expected input_ids, messages, conversations, instruction and output, or text; got {}",
                        keys.empty() ? "an empty object" : keys));
    }
    if (!tools)
        throw InputError(
            fmt::format("{} needs a tokenizer, and the model has no tokenizer.json; give input_ids", kind));
    Sample sample = *kind == 'i'   ? from_instruction(object, *tools)
                    : *kind == 't' ? from_text(object, *tools)
                                   : from_conversation(object, kind, *tools);
    if (options.truncate) truncate(sample, context);
    return sample;
}

}  // namespace tandem
