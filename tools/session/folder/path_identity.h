// Whether two paths lead to the same file or folder, whatever they are called: by device and inode.
#pragma once
#include <filesystem>

namespace tandem {

// Whether `path`, which need not be there, is `other` or lies below it, through links and relative names too. A path
// that is not there lies where its nearest folder that is there lies.
bool lies_in(const std::filesystem::path& path, const std::filesystem::path& other);

// The nearest folder on the way to `path` that is there.
std::filesystem::path existing_folder(const std::filesystem::path& path);

}  // namespace tandem
