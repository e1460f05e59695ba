#include "runtime/error.h"

namespace tandem {

namespace {

// Around a key. Control characters: text that is quoted from a file holds none (runtime/utf8.h).
constexpr char begin_key = '\x0e', end_key = '\x0f';

}  // namespace

std::string setting(std::string_view key) { return begin_key + std::string(key) + end_key; }

std::string worded(std::string_view message, SettingWord word) {
    std::string text;
    while (true) {
        const std::size_t begin = message.find(begin_key), end = message.find(end_key, begin);
        if (end == message.npos) return text.append(message);
        const std::string_view key = message.substr(begin + 1, end - begin - 1);
        text.append(message.substr(0, begin));
        text += word ? word(key) : std::string(key);
        message.remove_prefix(end + 1);
    }
}

}  // namespace tandem
