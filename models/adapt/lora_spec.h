// Which modules get LoRA adapters, and how large.
#pragma once
#include <cmath>
#include <string>
#include <vector>

namespace tandem {

struct LoraSpec {
    int rank = 64;
    double alpha = 16;
    double dropout = 0;
    bool rslora = false;               // scale alpha / sqrt(rank) (Kalajdzievski, 2023)
    std::vector<std::string> targets;  // "q_proj", …
    double scale() const { return rslora ? alpha / std::sqrt(double(rank)) : alpha / rank; }
};

}  // namespace tandem
