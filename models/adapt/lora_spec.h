// Which modules get LoRA adapters, and how large.
#pragma once
#include <cmath>
#include <string>
#include <vector>

namespace tandem {

struct LoraSpec {
    int rank = 0;
    double alpha = 0, dropout = 0;
    bool rslora = false;               // scale alpha / sqrt(rank) (Kalajdzievski, 2023)
    std::vector<std::string> targets;  // "q_proj", …
    bool operator==(const LoraSpec&) const = default;

    double scale() const { return rslora ? alpha / std::sqrt(double(rank)) : alpha / rank; }
};

}  // namespace tandem
