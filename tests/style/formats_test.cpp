// The list of weight formats (quant/formats.h) is the folders of quant/.
#include <doctest/doctest.h>

#include <set>
#include <string>

#include "quant/formats.h"
#include "tests/style/source.h"

namespace tandem::style {
namespace {

template <class... Format> std::set<std::string> folders_of(const std::variant<Format...>*) {
    return {std::string(Format::folder)...};
}

}  // namespace

TEST_CASE("style: the list of weight formats is the folders of quant/") {
    std::set<std::string> folders;
    for (const std::string& path : tracked_files_and_others()) {
        if (!path.starts_with("quant/")) continue;
        const std::string below = path.substr(6);
        if (below.find('/') != below.npos) folders.insert(below.substr(0, below.find('/')));
    }
    CHECK(folders == folders_of(static_cast<const QuantSpec*>(nullptr)));
}

}  // namespace tandem::style
