// A rank's first allocation, on the CPU and on the plan device alike.
#pragma once
#include "runtime/cpu/cpu_device.h"
#include "runtime/memory.h"

namespace tandem {

inline std::shared_ptr<Block> allocate_scratch(Memory& memory, int threads) {
    return memory.allocate(CpuDevice::scratch_bytes(threads), Category::workspace, "cpu.scratch");
}

}  // namespace tandem
