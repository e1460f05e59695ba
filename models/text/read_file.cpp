#include "models/text/read_file.h"

#include <fstream>

#include "runtime/error.h"

namespace tandem {

std::string read_file(const std::filesystem::path& file) {
    std::error_code error;
    auto bytes = std::filesystem::file_size(file, error);
    std::ifstream in(file, std::ios::binary);
    std::string out(error ? 0 : bytes, '\0');
    if (error || !in.read(out.data(), std::streamsize(bytes)))
        throw InputError("[" + file.string() + "] cannot be read; check that the file exists and is readable");
    return out;
}

}  // namespace tandem
