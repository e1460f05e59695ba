// Lists in messages.
#pragma once
#include <string>
#include <string_view>
#include <type_traits>

namespace tandem {

// "a, b, c" of texts or numbers.
template <class List> std::string joined(const List& items, std::string_view separator = ", ") {
    std::string text;
    std::string_view before;
    for (const auto& item : items) {
        text += before;
        if constexpr (std::is_arithmetic_v<std::remove_cvref_t<decltype(item)>>) text += std::to_string(item);
        else text += item;
        before = separator;
    }
    return text;
}

}  // namespace tandem
