#include "models/text/dataset/record_keys.h"

#include <fmt/core.h>

#include <algorithm>
#include <span>

#include "models/text/dataset/record_fields.h"
#include "runtime/error.h"
#include "runtime/utf8.h"

namespace tandem {
namespace {

using Names = std::span<const std::string_view>;

bool never(const Json&, const Json&) { return false; }

bool holds_something(const Json& value, const Json&) {
    return value != Json("") && value != Json(Json::Array()) && value != Json(Json::Object());
}

bool is_not_one(const Json& value, const Json&) { return flag(value) != true; }

// "tokens", a list of strings, and "offset_mapping", a list of pairs, describe the tokens and cannot mask them.
bool is_number_of_every_token(const Json& value, const Json& record) {
    if (!value.is_array() || value.array().empty()) return false;
    const Json* ids = record.find("input_ids");
    auto number = [](const Json& item) { return item.is_number() || item.kind() == Json::Kind::boolean; };
    return ids && ids->is_array() && ids->array().size() == value.array().size() &&
           std::ranges::all_of(value.array(), number);
}

bool is_several(const Json& value, const Json&) { return !value.is_array() || value.array().size() > 1; }

// Keys that other programs read, and what is wrong with a value that says something.
struct Refusal {
    Names keys;
    bool (*matters)(const Json& value, const Json& object);
    std::string_view why;  // behind the key's name
};

constexpr std::string_view weights[] = {"weight",        "weights",     "train",        "training",  "loss",
                                        "sample_weight", "loss_weight", "loss_weights", "loss_scale"};
constexpr Refusal other_weight{weights, is_not_one,
                               "would weigh this sample or parts of it, and all count alike; leave the sample out or "
                               "remove the key"};

constexpr std::string_view masks[] = {"attention_mask", "completion_mask", "assistant_masks", "loss_mask"};
constexpr Refusal mask_of_no_tokens{masks, holds_something,
                                    "masks tokens, and this record has text; give input_ids or remove it"};

constexpr std::string_view around_turns[] = {"tools",         "tool_calls",     "functions",
                                             "function_call", "documents",      "chat_template",
                                             "system_prompt", "system_message", "chat_template_kwargs",
                                             "history",       "image",          "images",
                                             "video",         "videos",         "audio",
                                             "audios"};
constexpr Refusal around_conversation{around_turns, holds_something,
                                      "could change the text of the conversation and cannot be used; write what it "
                                      "says as turns or as \"system\", or remove it"};

constexpr std::string_view around_prompt[] = {
    "system",    "system_prompt", "system_message",       "history", "context", "tools", "tool_calls", "functions",
    "documents", "chat_template", "chat_template_kwargs", "image",   "images",  "video", "videos",     "audio",
    "audios"};
constexpr Refusal around_instruction{around_prompt, holds_something,
                                     "could change the text of the prompt and cannot be used beside instruction; write "
                                     "what it says as messages, or remove it"};

constexpr std::string_view lengths[] = {"seq_lengths", "sequence_lengths", "seq_lens", "document_lengths"};
constexpr Refusal several_documents{lengths, is_several,
                                    "says that input_ids are several documents, which would see each other; make "
                                    "each a record of its own"};
constexpr Refusal of_every_token{{},
                                 is_number_of_every_token,
                                 "says something of every token, which could change what is trained on, and is not "
                                 "known; remove it"};
constexpr Refusal nothing{{}, never, ""};
constexpr Refusal of_a_turn{
    {}, holds_something, "could change the text of the turn or what is trained on, and cannot be used; remove it"};

constexpr std::string_view used_with_ids[] = {"labels",          "attention_mask", "completion_mask",
                                              "assistant_masks", "loss_mask",      "position_ids"};
constexpr std::string_view facts_of_tokens[] = {"token_type_ids", "special_tokens_mask"};
constexpr Refusal with_ids[] = {other_weight, several_documents};

constexpr std::string_view used_with_turns[] = {"system"};
constexpr Refusal with_turns[] = {other_weight, mask_of_no_tokens, around_conversation};

constexpr std::string_view used_with_instruction[] = {"input", "output"};
constexpr Refusal with_instruction[] = {other_weight, mask_of_no_tokens, around_instruction};

constexpr Refusal with_text[] = {other_weight, mask_of_no_tokens};

constexpr std::string_view used_of_turns[] = {"weight", "train", "training", "loss"};
constexpr std::string_view facts_of_turns[] = {
    "id",         "uuid",      "index",     "turn",        "turn_id",    "turn_identifier",
    "message_id", "parent_id", "timestamp", "create_time", "created",    "model",
    "language",   "lang",      "country",   "state",       "created_at", "hashed_ip",
    "header",     "toxic",     "redacted",  "metadata",    "meta",       "source"};

}  // namespace

struct KeyTable {
    Names used;
    std::span<const Refusal> refused;
    Names facts;     // harmless whatever they hold
    Refusal others;  // keys that no list names
};

// An alternative of the same sample ("text" beside instruction, "prompt" beside messages) is not used.
constexpr KeyTable id_keys{used_with_ids, with_ids, facts_of_tokens, of_every_token};
constexpr KeyTable conversation_keys{used_with_turns, with_turns, {}, nothing};
constexpr KeyTable instruction_keys{used_with_instruction, with_instruction, {}, nothing};
constexpr KeyTable text_keys{{}, with_text, {}, nothing};
constexpr KeyTable turn_keys{used_of_turns, {}, facts_of_turns, of_a_turn};

namespace {

bool contains(const auto& names, std::string_view key) {
    return std::find(names.begin(), names.end(), key) != names.end();
}

void refuse_doubles(const Json& object) {
    std::vector<std::string_view> keys;
    for (const auto& [key, value] : object.object()) keys.push_back(key);
    std::ranges::sort(keys);
    if (auto twice = std::ranges::adjacent_find(keys); twice != keys.end())
        throw InputError(fmt::format("\"{}\" is given twice; keep one", excerpt(*twice, 40)));
}

}  // namespace

std::vector<std::string> unused_keys(const Json& object, const KeyTable& table,
                                     const std::vector<std::string_view>& read) {
    refuse_doubles(object);
    std::vector<std::string> unused;
    for (const auto& [key, value] : object.object()) {
        if (value.is_null() || contains(read, key) || contains(table.used, key)) continue;
        const Refusal* rule = contains(table.facts, key) ? &nothing : &table.others;
        for (const Refusal& refusal : table.refused)
            if (contains(refusal.keys, key)) rule = &refusal;
        if (rule->matters(value, object)) throw InputError(fmt::format("\"{}\" {}", excerpt(key, 40), rule->why));
        unused.push_back(key);
    }
    return unused;
}

}  // namespace tandem
