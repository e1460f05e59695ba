// The types that a source defines in namespace scope.
#pragma once
#include <string>
#include <vector>

namespace tandem::style {

struct NamedType {
    std::string name;
    bool has_linkage;  // stands in no anonymous namespace
};

// Every class, struct, union and enum; no specialisation of a template.
std::vector<NamedType> types(const std::string& text);

}  // namespace tandem::style
