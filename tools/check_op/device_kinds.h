// The kinds of device that this machine can check on: cuda where the build has it and there is a card.
#pragma once
#include <vector>

#include "runtime/context.h"
#include "runtime/cuda/cards.h"

namespace tandem {

inline const std::vector<DeviceKind>& device_kinds() {
    static const std::vector<DeviceKind> kinds = [] {
        std::vector<DeviceKind> k{DeviceKind::cpu};
        if constexpr (build::has_cuda)
            if (!cards().empty()) k.push_back(DeviceKind::cuda);
        return k;
    }();
    return kinds;
}
inline bool has_card() { return device_kinds().size() > 1; }

}  // namespace tandem
