// Reads the program's own ELF symbol table (so it must not be stripped).
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace cudasim {

struct FunctionSymbol {
    std::string mangled;
    std::string readable;  // without arguments and anonymous namespaces
    std::string source;    // base name of the file that defines it
};
// "?" for all three when the address is not the start of a function.
FunctionSymbol find_function(const void* address);

// `__shared__` is `static thread_local` here. Such a variable cannot be put into a section of its own (g++ reports a
// "section type conflict" between template and plain functions), so its place is found by its symbol: a TLS object
// local to a function, `_ZZ<function>E<name>`. Offsets are from shared_base(), which differs between threads.
struct StaticShared {
    std::uint64_t offset, bytes;
};
const std::vector<StaticShared>& static_shared();  // ascending
char* shared_base();
bool is_static_shared(const void* p, std::size_t bytes);

}  // namespace cudasim
