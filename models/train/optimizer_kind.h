#pragma once

namespace tandem {

enum class OptimizerKind { adamw, sgd };

}  // namespace tandem
