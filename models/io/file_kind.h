// What a file is that is not what was expected: a pointer, a page, an archive in its place.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>

namespace tandem {

inline constexpr std::size_t file_kind_bytes = 4096;  // of a file's begin are enough to tell

// A clause for a message, with what to do: "it is a Git LFS pointer, …". Empty where the bytes are of no kind that is
// known here. To be asked where reading has failed, so that no valid file is refused for how it begins.
std::string file_kind(std::string_view begin);

// The same in a sentence: the kind where it is known, else `problem`.
std::string file_kind_or(std::string_view begin, const std::string& problem);

// A whole file of text that nobody means as text.
bool is_lfs_pointer(std::string_view text);

}  // namespace tandem
