#include "models/text/dataset/conversation.h"

#include <fmt/core.h>

#include <algorithm>

#include "models/text/dataset/record_fields.h"
#include "models/text/dataset/record_keys.h"
#include "runtime/error.h"
#include "runtime/utf8.h"

namespace tandem {
namespace {

std::string role_of(const Json& turn, std::string_view key) {
    std::string role = text_field(turn, key);
    if (role == "human") return "user";
    if (role == "gpt") return "assistant";
    if (role != "system" && role != "user" && role != "assistant")
        throw InputError(
            fmt::format("expected a turn of system, user (human) or assistant (gpt), got '{}'", excerpt(role, 40)));
    return role;
}

// Whether the turn is to be trained on as far as its own keys say.
bool trained_on(const Json& turn, const std::string& role) {
    bool all = true;
    for (std::string_view key : {"weight", "train", "training", "loss"}) {
        const Json* value = given(turn, key);
        if (!value) continue;
        std::optional<bool> on = flag(*value);
        if (!on)
            throw InputError(fmt::format("expected {} to be 0, 1, false or true, got {}; no turn counts more or less",
                                         key, excerpt(value->text(), 40)));
        if (*on && role != "assistant")
            throw InputError(
                fmt::format("{} is {}, but only turns of the assistant are trained on, not of the {}; "
                            "remove it or set it to false",
                            key, value->text(), role));
        all = all && *on;
    }
    return all;
}

void add_turn(Conversation& to, const Json& turn) {
    if (!turn.is_object()) throw InputError(fmt::format("expected an object, got {}", turn.kind_name()));
    bool sharegpt = given(turn, "from");
    std::string_view role = sharegpt ? "from" : "role", content = sharegpt ? "value" : "content";
    std::vector<std::string> unused = unused_keys(turn, turn_keys, {role, content});
    to.unused.insert(to.unused.end(), unused.begin(), unused.end());
    Message message{role_of(turn, role), ""};
    if (const Json* parts = given(turn, content); parts && parts->is_array())
        throw InputError(fmt::format("expected {} to be text, got a list of parts; join their texts", content));
    message.content = text_field(turn, content);
    bool on = trained_on(turn, message.role);
    if (message.role == "assistant") to.trained_on.push_back(on);
    to.messages.push_back(std::move(message));
}

// Empty text is no system turn, as for other programs.
void put_system_first(Conversation& to, const Json& record) {
    if (!given(record, "system")) return;
    std::string system = text_field(record, "system");
    if (system.empty()) return;
    if (std::ranges::find(to.messages, "system", &Message::role) != to.messages.end())
        throw InputError("\"system\" stands beside a turn of the system; keep one of them");
    to.messages.insert(to.messages.begin(), {"system", system});
}

}  // namespace

Conversation conversation(const Json& record, std::string_view key) {
    const Json& turns = record.at(key);
    if (!turns.is_array() || turns.array().empty())
        throw InputError(fmt::format("expected {} to be a list of turns, got {}", key, excerpt(turns.text(), 40)));
    Conversation all;
    for (std::size_t i = 0; i < turns.array().size(); i++) try {
            add_turn(all, turns.array()[i]);
        } catch (const InputError& e) {
            throw InputError(fmt::format("turn {}: {}", i + 1, e.message()), e.where());
        }
    put_system_first(all, record);
    return all;
}

}  // namespace tandem
