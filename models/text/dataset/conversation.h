// The turns of a conversation in a data record: {"role", "content"}, or ShareGPT's {"from", "value"}.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "models/text/chat_template.h"
#include "runtime/json.h"

namespace tandem {

struct Conversation {
    std::vector<Message> messages;    // the record's "system" first
    std::vector<bool> trained_on;     // of each turn of the assistant: no weight, train, training or loss of it is 0
    std::vector<std::string> unused;  // keys of turns that are not used
};

// `key` holds the turns. Throws an InputError without file:line.
Conversation conversation(const Json& record, std::string_view key);

}  // namespace tandem
