// What all ranks must have alike.
#pragma once
#include <cstdint>
#include <string_view>

#include "runtime/collective.h"

namespace tandem {

class Hash {  // FNV-1a, 64 bits
  public:
    void add(std::uint64_t value) {
        for (int i = 0; i < 8; i++) state_ = (state_ ^ (value >> 8 * i & 255)) * 1099511628211u;
    }
    void add(std::string_view text) {
        add(text.size());
        for (char c : text) add(std::uint64_t(static_cast<unsigned char>(c)));
    }
    std::uint64_t value() const { return state_; }

  private:
    std::uint64_t state_ = 14695981039346656037u;
};

// Waits for all ranks; an Error on each of them where one differs. `what` names it: "units", "schedule".
void agree(Collective& collective, const char* what, const Hash& hash);

}  // namespace tandem
