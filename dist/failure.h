// A failure with its rank in front: "rank 1: …", of the same type. Without it where there is no memory for it.
#pragma once
#include <exception>

namespace tandem {

std::exception_ptr named_failure(int rank, const std::exception_ptr& failure) noexcept;

}  // namespace tandem
