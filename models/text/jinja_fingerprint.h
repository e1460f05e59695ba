// A name for a Jinja text that does not change with what does not change its rendering.
#pragma once
#include <cstdint>
#include <string_view>

namespace tandem {

// Comments, spaces inside tags, whitespace control (trim_blocks and lstrip_blocks on, as for chat templates), quote
// characters, escapes and a.b against a['b'] make no difference. FNV-1a, 64 bits.
std::uint64_t jinja_fingerprint(std::string_view jinja);

}  // namespace tandem
