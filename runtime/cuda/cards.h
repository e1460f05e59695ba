// The cards of this machine.
#pragma once
#include <cstddef>
#include <string>
#include <vector>

namespace tandem {

struct Card {
    int ordinal;
    std::string name;
    int major, minor;  // compute capability
    int multiprocessors;
    std::size_t bytes, free;
};

// Empty where there is no driver or no card.
std::vector<Card> cards();

// What determines a card's bits: its architecture and the libraries; for checkpoints.
std::string kernels_of_card(int ordinal);

// Whether `reader` can copy from `owner`'s memory directly: asked, switched on, and tried with a pattern both ways.
// Some systems grant it and deliver other bytes.
bool verified_peer_access(int reader, int owner);

}  // namespace tandem
