// A sample as text, what is supervised in it set apart: wrong masks and templates are seen at a glance.
#pragma once
#include <string>

#include "models/text/dataset/dataset.h"

namespace tandem {

enum class Colour { off, on };
Colour colour_of(int file_descriptor);  // off without a terminal and where NO_COLOR is set

// Supervised tokens (targets of the loss) are green, or stand between ⟦ and ⟧ without colour. Without a tokenizer: the
// ids.
std::string preview(SampleView sample, const Tokenizer* tokenizer, Colour colour);

}  // namespace tandem
