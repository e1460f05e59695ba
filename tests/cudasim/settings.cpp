#include "tests/cudasim/settings.h"

#include <cstdlib>

namespace cudasim {
namespace {

std::uint64_t number(const char* name, std::uint64_t otherwise) {
    const char* text = std::getenv(name);
    return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

}  // namespace

const Settings& settings() {
    static const char* const executed = std::getenv("CUDASIM_EXECUTED");
    // Never destroyed: streams that a program leaves running read it until the process ends.
    static const Settings& values = *new Settings{
        .devices = int(number("CUDASIM_DEVICES", 2)),
        .memory = number("CUDASIM_MEMORY", std::uint64_t{1} << 30),
        .large = number("CUDASIM_LARGE", 0) != 0,
        .peer = number("CUDASIM_PEER", 1) != 0,
        .jitter = number("CUDASIM_JITTER", 0),
        .reverse = number("CUDASIM_REVERSE", 0) != 0,
        .tsan_blocks = number("CUDASIM_TSAN_BLOCKS", 0) != 0,
        .executed = executed ? executed : "",
    };
    return values;
}

}  // namespace cudasim
