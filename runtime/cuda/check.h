// Errors of the CUDA runtime.
#pragma once
#include <cuda_runtime_api.h>

#include <source_location>

namespace tandem::cuda {

// Throws an Error that says which call failed, where, on which device and with how many bytes free, and clears the
// runtime's last error. `call` is the function's name, with what it was for where that helps.
void check(cudaError_t status, const char* call, std::source_location where = std::source_location::current());

// For destructors: says it on stderr instead of throwing.
void warn(cudaError_t status, const char* call, std::source_location where = std::source_location::current()) noexcept;

}  // namespace tandem::cuda
