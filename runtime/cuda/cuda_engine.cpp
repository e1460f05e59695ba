#include "runtime/cuda/cuda_engine.h"

#include <cuda_runtime_api.h>

#include "runtime/abort.h"
#include "runtime/cuda/check.h"
#include "runtime/cuda/matmul.h"
#include "runtime/cuda/staging.h"
#include "runtime/cuda/tile_ahead.h"

namespace tandem {

CudaEngine::CudaEngine(int ordinal, const AbortSignal& abort, Trace* trace, int rank)
    : compute(ordinal, CudaStream::Priority::normal, {&abort, trace, rank, "compute"}),
      gather(ordinal, CudaStream::Priority::high, {&abort, trace, rank, "gather"}),
      reduce(ordinal, CudaStream::Priority::high, {&abort, trace, rank, "reduce"}),
      offload(ordinal, CudaStream::Priority::high, {&abort, trace, rank, "offload"}),
      ahead(ordinal, CudaStream::Priority::high, {&abort, trace, rank, "ahead"}),
      ordinal_(ordinal),
      staging_(std::make_unique<Staging>(ordinal, compute)) {}

CudaEngine::~CudaEngine() = default;

void CudaEngine::bind() { cuda::check(cudaSetDevice(ordinal_), "cudaSetDevice"); }

CudaDevice CudaEngine::device(const CudaScratch& s) {
    OnDevice here(ordinal_);
    matmul_ = std::make_unique<Matmul>(s.matmul->data);
    tiles_ = std::make_unique<TileAhead>(compute, ahead, std::span(s.tiles->data, s.tiles->bytes));
    return {ordinal_, compute.handle(), s.scratch->data, matmul_.get(), tiles_.get(), staging_.get()};
}

}  // namespace tandem
