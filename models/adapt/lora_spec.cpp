#include "models/adapt/lora_spec.h"

#include <cmath>

namespace tandem {

double LoraSpec::scale() const { return rslora ? alpha / std::sqrt(double(rank)) : alpha / rank; }

}  // namespace tandem
