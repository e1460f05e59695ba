#include "models/io/file_kind.h"

#include <algorithm>

namespace tandem {

namespace {

using namespace std::string_view_literals;

struct Signature {
    std::string_view bytes;
    const char* kind;
};

constexpr const char* lfs =
    "it is a Git LFS pointer, not the file that it stands for; run git lfs pull where it was cloned, or download it";
constexpr const char* xet =
    "it is a pointer of the Xet storage, not the file that it stands for; download it with hf download";
constexpr const char* annex =
    "it is a git-annex pointer, not the file that it stands for; run git annex get in its repository";
constexpr const char* html =
    "it is an HTML page, as a login, an error or a link to a preview leaves; download the file itself";
constexpr const char* xml = "it is XML, such as a server's error message; download the file again";
constexpr const char* arrow =
    "it is an Arrow file; convert it to JSON lines, for example with datasets' load_from_disk(…).to_json(…)";
constexpr const char* pickle =
    "it is a PyTorch or Python pickle, which may run code; save it as safetensors or JSON where it was made";
constexpr const char* utf16 = "it is text in UTF-16; save it in UTF-8";

constexpr Signature pointers[] = {
    {"version https://git-lfs.github.com/spec/"sv, lfs},
    {"version https://hawser.github.com/spec/"sv, lfs},
    {"# xet version "sv, xet},
    {"/annex/objects/"sv, annex},
};

constexpr Signature signatures[] = {
    {"\x1f\x8b"sv, "it is compressed with gzip; unpack it first: gzip -d"},
    {"\x28\xb5\x2f\xfd"sv, "it is compressed with zstd; unpack it first: zstd -d"},
    {"BZh"sv, "it is compressed with bzip2; unpack it first: bzip2 -d"},
    {"\xfd" "7zXZ\0"sv, "it is compressed with xz; unpack it first: xz -d"},
    {"\x04\x22\x4d\x18"sv, "it is compressed with lz4; unpack it first: lz4 -d"},
    {"7z\xbc\xaf\x27\x1c"sv, "it is a 7z archive; unpack it first: 7z x"},
    {"PK\3\4"sv, "it is a zip archive; unpack it first (a PyTorch file is one too: save it as safetensors)"},
    {"PK\5\6"sv, "it is an empty zip archive; download it again"},
    {"Rar!"sv, "it is a rar archive; unpack it first"},
    {"PAR1"sv, "it is a Parquet file; convert it to JSON lines, for example with pandas' "
               "read_parquet(…).to_json(…, orient=\"records\", lines=True)"},
    {"ARROW1"sv, arrow},
    {"GGUF"sv, "it is a GGUF file; use the model's Hugging Face checkpoint (safetensors)"},
    {"\x80\2"sv, pickle},
    {"\x80\3"sv, pickle},
    {"\x80\4"sv, pickle},
    {"\x80\5"sv, pickle},
    {"\x93NUMPY"sv, "it is a NumPy array; save it as safetensors or JSON"},
    {"\x89HDF"sv, "it is an HDF5 file; save it as safetensors or JSON"},
    {"SQLite format 3\0"sv, "it is an SQLite database; export it as JSON lines"},
    {"\x7f" "ELF"sv, "it is a program"},
    {"%PDF-"sv, "it is a PDF document"},
    {"\xff\xfe"sv, utf16},
    {"\xfe\xff"sv, utf16},
};

constexpr Signature pages[] = {  // in lower case, behind blanks
    {"<!doctype html"sv, html}, {"<html"sv, html}, {"<head"sv, html}, {"<body"sv, html},
    {"<script"sv, html},        {"<?xml"sv, xml},  {"<error"sv, xml},
};

template <std::size_t n> const char* find(const Signature (&table)[n], std::string_view text) {
    auto at = std::ranges::find_if(table, [&](const Signature& s) { return text.starts_with(s.bytes); });
    return at == std::end(table) ? nullptr : at->kind;
}

std::string_view behind_blanks(std::string_view text) {
    if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
    text.remove_prefix(std::min(text.size(), text.find_first_not_of(" \t\r\n")));
    return text;
}

std::string lower(std::string_view text) {
    std::string out(text.substr(0, 32));
    for (char& c : out)
        if (c >= 'A' && c <= 'Z') c = char(c - 'A' + 'a');
    return out;
}

// Its stream format: a mark, then the length of the first message.
bool is_arrow_stream(std::string_view b) { return b.size() > 8 && b.starts_with("\xff\xff\xff\xff") && b[7] == '\0'; }

// The length of its header, then the header.
bool is_safetensors(std::string_view b) {
    return b.size() > 9 && b.substr(4, 4) == "\0\0\0\0"sv && b[8] == '{' && (b[9] == '"' || b[9] == '}' || b[9] == ' ');
}

}  // namespace

std::string file_kind(std::string_view b) {
    if (b.empty()) return "it is empty; download or copy it again";
    if (const char* kind = find(pointers, b)) return kind;
    if (const char* kind = find(signatures, b)) return kind;
    if (const char* kind = find(pages, lower(behind_blanks(b)))) return kind;
    if (b.size() >= 16 && b.substr(0, 512).find_first_not_of('\0') == b.npos)
        return "it begins with nothing but zeros, as an unfinished download does; download or copy it again";
    if (is_arrow_stream(b)) return arrow;
    if (is_safetensors(b)) return "it is a safetensors file, which holds weights";
    if (b.size() > 262 && b.substr(257, 5) == "ustar") return "it is a tar archive; unpack it first: tar -xf";
    if (behind_blanks(b).empty()) return "it holds nothing but blanks; download or copy it again";
    return "";
}

std::string file_kind_or(std::string_view begin, const std::string& problem) {
    std::string kind = file_kind(begin);
    return kind.empty() ? problem : kind;
}

bool is_lfs_pointer(std::string_view text) {
    return text.size() < 1024 && text.starts_with(pointers[0].bytes) && text.find("\noid sha256:") != text.npos;
}

}  // namespace tandem
