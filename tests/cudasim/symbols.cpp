#include "tests/cudasim/symbols.h"

#include <cxxabi.h>
#include <elf.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>

// Known points, so that the load address and this thread's TLS block can be computed from the symbol table.
extern "C" {
constinit thread_local char cudasim_tls_anchor = 0;
__attribute__((noinline)) void cudasim_text_anchor() { asm volatile(""); }
}

namespace cudasim {
namespace {

struct Symbol {
    std::uint64_t value;
    std::string name, source;
};

struct Table {
    std::vector<Symbol> functions;     // by value
    std::vector<StaticShared> shared;  // by offset
    std::uint64_t text_anchor = 0, tls_anchor = 0;

    Table();
    void read(const Elf64_Sym* symbols, std::size_t count, const char* names);
};

Table::Table() {
    std::ifstream file("/proc/self/exe", std::ios::binary);
    const std::vector<char> data{std::istreambuf_iterator<char>(file), {}};
    if (data.size() < sizeof(Elf64_Ehdr)) return;
    const auto* header = reinterpret_cast<const Elf64_Ehdr*>(data.data());
    const auto* sections = reinterpret_cast<const Elf64_Shdr*>(data.data() + header->e_shoff);
    for (int i = 0; i < header->e_shnum; ++i) {
        if (sections[i].sh_type != SHT_SYMTAB) continue;
        read(reinterpret_cast<const Elf64_Sym*>(data.data() + sections[i].sh_offset),
             sections[i].sh_size / sizeof(Elf64_Sym), data.data() + sections[sections[i].sh_link].sh_offset);
    }
    std::ranges::sort(functions, {}, &Symbol::value);
    std::ranges::sort(shared, {}, &StaticShared::offset);
}

void Table::read(const Elf64_Sym* symbols, std::size_t count, const char* names) {
    std::string source;  // a file's local symbols follow its own
    for (std::size_t k = 0; k < count; ++k) {
        const Elf64_Sym& s = symbols[k];
        const std::string name = names + s.st_name;
        const int type = ELF64_ST_TYPE(s.st_info);
        if (type == STT_FILE) source = name;
        if (s.st_shndx == SHN_UNDEF) continue;
        if (name == "cudasim_text_anchor") text_anchor = s.st_value;
        if (name == "cudasim_tls_anchor") tls_anchor = s.st_value;
        if (type == STT_FUNC) functions.push_back({s.st_value, name, source});
        // Those of functions local to a file have no visibility.
        const bool device_code = ELF64_ST_VISIBILITY(s.st_other) == STV_HIDDEN || source.ends_with(".cu");
        if (type == STT_TLS && name.starts_with("_ZZ") && device_code) shared.push_back({s.st_value, s.st_size});
    }
}

const Table& table() {
    static const Table& read_once = *new Table;
    return read_once;
}

std::string readable_name(const std::string& mangled) {
    int status = 0;
    char* const demangled = abi::__cxa_demangle(mangled.c_str(), nullptr, nullptr, &status);
    std::string name = demangled ? demangled : mangled;
    std::free(demangled);
    const std::string anonymous = "(anonymous namespace)::";
    for (std::size_t at; (at = name.find(anonymous)) != name.npos;) name.erase(at, anonymous.size());
    name.resize(std::min(name.size(), name.find('(')));
    if (name.starts_with("void ")) name.erase(0, 5);  // of template instances the return type is named too
    return name;
}

}  // namespace

FunctionSymbol find_function(const void* address) {
    const Table& t = table();
    const auto base = reinterpret_cast<std::uintptr_t>(&cudasim_text_anchor) - t.text_anchor;
    const auto value = reinterpret_cast<std::uintptr_t>(address) - base;
    const auto found = std::ranges::lower_bound(t.functions, value, {}, &Symbol::value);
    if (found == t.functions.end() || found->value != value) return {"?", "?", "?"};
    return {found->name, readable_name(found->name), found->source};
}

const std::vector<StaticShared>& static_shared() { return table().shared; }
char* shared_base() {
    static const std::uint64_t anchor = table().tls_anchor;
    return &cudasim_tls_anchor - anchor;
}

bool is_static_shared(const void* p, std::size_t bytes) {
    const auto offset = std::uint64_t(static_cast<const char*>(p) - shared_base());
    const auto& shared = static_shared();
    auto after = std::ranges::upper_bound(shared, offset, {}, &StaticShared::offset);
    return after != shared.begin() && offset + bytes <= (--after)->offset + after->bytes;
}

}  // namespace cudasim
