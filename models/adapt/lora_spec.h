// Which modules get LoRA adapters, and how large.
#pragma once
#include "models/adapt/module_selection.h"

namespace tandem {

struct LoraSpec {
    int rank = 0;
    double alpha = 0, dropout = 0;
    bool rslora = false;  // scale alpha / sqrt(rank) (Kalajdzievski, 2023)
    ModuleSelection modules;
    bool operator==(const LoraSpec&) const = default;

    double scale() const;
};

}  // namespace tandem
