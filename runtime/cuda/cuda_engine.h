// What a rank on a card has beside its memory's slab: streams, cuBLASLt, staged copies, tiles.
#pragma once
#include <memory>

#include "runtime/cuda/cuda_device.h"
#include "runtime/cuda/cuda_scratch.h"
#include "runtime/cuda/cuda_stream.h"
#include "runtime/memory.h"

namespace tandem {

class CudaEngine {
  public:
    CudaEngine(int ordinal, const AbortSignal& abort, Trace* trace = nullptr, int rank = 0);
    ~CudaEngine();
    void bind();                                    // makes the card the calling thread's current device
    CudaDevice device(const CudaScratch& scratch);  // once

    CudaStream compute, gather, reduce, offload, ahead;

  private:
    int ordinal_;
    std::unique_ptr<Staging> staging_;
    std::unique_ptr<Matmul> matmul_;
    std::unique_ptr<TileAhead> tiles_;
};

}  // namespace tandem
