// What this binary was built with.
#pragma once

namespace tandem::build {
#ifdef TANDEM_CUDA
inline constexpr bool has_cuda = true;
#else
inline constexpr bool has_cuda = false;
#endif
}  // namespace tandem::build
