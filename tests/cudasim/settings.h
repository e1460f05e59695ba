// The environment variables (README.md), read once.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>

namespace cudasim {

struct Settings {
    int devices;           // CUDASIM_DEVICES
    std::size_t memory;    // CUDASIM_MEMORY, bytes of each device
    bool large;            // CUDASIM_LARGE=1: as a data-centre card
    bool peer;             // CUDASIM_PEER=0: no device reaches the memory of another
    std::uint64_t jitter;  // CUDASIM_JITTER, a seed: random delays before the operations of streams
    bool reverse;          // CUDASIM_REVERSE: threads and blocks start in descending order
    bool tsan_blocks;      // CUDASIM_TSAN_BLOCKS: TSan also sees races between blocks
    std::string executed;  // CUDASIM_EXECUTED: file that gets the kernels that ran, with block size and shared memory
};
const Settings& settings();

}  // namespace cudasim
