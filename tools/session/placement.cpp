#include "tools/session/placement.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>

#include "runtime/build.h"
#include "runtime/cuda/cards.h"
#include "runtime/error.h"

namespace tandem {

Placement Placement::cpu(int ranks) {
    Placement p;
    p.automatic_ = false;
    p.devices_.assign(std::size_t(ranks), cpu_device);
    return p;
}

Placement Placement::on_cards(std::vector<int> ordinals) {
    Placement p;
    p.automatic_ = false;
    p.devices_ = std::move(ordinals);
    return p;
}

bool Placement::read(std::string_view text, Placement& placement) {
    if (text == "auto") return placement = {}, true;
    std::vector<int> devices;
    for (bool more = !text.empty(); more;) {
        const std::size_t comma = text.find(',');
        const std::string_view item = text.substr(0, comma);
        int device = cpu_device;
        if (item != "cpu") {
            const auto [end, error] = std::from_chars(item.data(), item.data() + item.size(), device);
            if (error != std::errc() || end != item.data() + item.size() || device < 0) return false;
        }
        devices.push_back(device);
        more = comma != text.npos;
        if (more) text.remove_prefix(comma + 1);
    }
    placement = on_cards(std::move(devices));
    return true;
}

std::string Placement::text() const {
    if (automatic_) return "auto";
    std::string all;
    for (int device : devices_)
        all += (all.empty() ? "" : ",") + (device == cpu_device ? "cpu" : std::to_string(device));
    return all;
}

Placement Placement::resolved() const {
    if (!automatic_) return *this;
    std::vector<int> ordinals;
    if constexpr (build::has_cuda)
        for (const Card& c : tandem::cards()) ordinals.push_back(c.ordinal);
    return ordinals.empty() ? cpu(2) : on_cards(std::move(ordinals));
}

std::vector<int> Placement::cards() const { return is_on_cards() ? devices_ : std::vector<int>{}; }

std::string Placement::refusal_anywhere() const {
    const std::string gpus = setting("gpus");
    if (devices_.empty()) return gpus + " names no device; give one for each rank, such as cpu,cpu";
    const auto cpus = std::count(devices_.begin(), devices_.end(), cpu_device);
    if (cpus > 0 && std::size_t(cpus) < devices_.size())
        return gpus + " mixes cpu and cards; all ranks run on one kind";
    return "";
}

std::string Placement::refusal() const {
    if (std::string why = refusal_anywhere(); !why.empty()) return why;
    const std::string gpus = setting("gpus");
    for (int device : devices_) {
        if (device == cpu_device) continue;
        if constexpr (build::has_cuda) {
            const std::size_t count = tandem::cards().size();
            if (std::size_t(device) < count) continue;
            return fmt::format("{} names card {}, but this machine shows {}; see nvidia-smi, or use cpu,cpu", gpus,
                               device, count);
        }
        return fmt::format("{} names card {}, but this build is without CUDA; build again where NVIDIA's driver and "
                           "nvcc (CUDA Toolkit 13) are, or with TANDEM_CUDA=on where nvcc alone is, or use cpu,cpu",
                           gpus, device);
    }
    return "";
}

}  // namespace tandem
