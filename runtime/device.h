// What a rank computes on: its kernels' arguments, its streams, and its memory at each place.
#pragma once
#include <string_view>

#include "runtime/build.h"
#include "runtime/cpu/cpu_device.h"
#include "runtime/cuda/cuda_device.h"
#include "runtime/memory.h"
#include "runtime/stream.h"

namespace tandem {

enum class DeviceKind { cpu, cuda, plan };

// The host is a CPU rank's device: there both are one memory.
struct Device {
    DeviceKind kind = DeviceKind::cpu;
    DeviceKind target = DeviceKind::cpu;  // what a plan is for; elsewhere the kind itself
    CpuDevice cpu{};                      // on a card: threads for host work alone; unused on the plan device
    CudaDevice cuda{};                    // on a card
    Memory* memory = nullptr;
    Memory* host = nullptr;
    Stream* compute = nullptr;
    Stream* gather = nullptr;
    Stream* reduce = nullptr;
    Stream* offload = nullptr;  // activations to the host and back

    Memory& at(Place place) const { return place == Place::host ? *host : *memory; }

    // Calls f with the kernels' argument: CpuDevice, or CudaDevice where the binary has it. Not on the plan device.
    template <class F> void visit(F&& f) const {
        if (kind == DeviceKind::cpu) return f(cpu);
        if constexpr (build::has_cuda)
            if (kind == DeviceKind::cuda) f(cuda);
    }
};

// Opens a phase of all of a rank's memories for its scope.
class RankPhase {
  public:
    RankPhase(const Device& device, std::string_view phase)
        : memory_(device.memory), host_(device.host == device.memory ? nullptr : device.host) {
        memory_->begin(phase);
        if (host_) host_->begin(phase);
    }
    ~RankPhase() {
        memory_->end();
        if (host_) host_->end();
    }
    RankPhase(const RankPhase&) = delete;

  private:
    Memory* const memory_;
    Memory* const host_;  // null: none of its own
};

}  // namespace tandem
