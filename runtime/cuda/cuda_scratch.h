// What a rank on a card allocates first.
#pragma once
#include <memory>

#include "runtime/cuda/cuda_device.h"
#include "runtime/cuda/matmul.h"
#include "runtime/cuda/tile_ahead.h"
#include "runtime/memory.h"

namespace tandem {

// On the card and on the plan device alike, which may be of a build without CUDA.
struct CudaScratch {
    // tile_bytes: the largest weight, dequantized; 0 where none is quantized.
    CudaScratch(Memory& memory, std::size_t tile_bytes)
        : scratch(memory.allocate(CudaDevice::scratch_bytes, Category::workspace, "cuda.scratch")),
          matmul(memory.allocate(Matmul::workspace_bytes, Category::workspace, "cuda.matmul")),
          tiles(memory.allocate(TileAhead::slots * align_up(tile_bytes), Category::workspace, "cuda.tiles")) {
        for (std::size_t i = 0; i < TileAhead::slots; i++)
            memory.note_part(tiles->data + i * align_up(tile_bytes), align_up(tile_bytes));
    }
    std::shared_ptr<Block> scratch, matmul, tiles;
};

}  // namespace tandem
