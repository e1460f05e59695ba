// What a rank has on its device: memory, streams, and the parts of its Context that depend on the kind of device.
#pragma once
#include <memory>

#include "dist/launch.h"

namespace tandem {

class RankDevice {
  public:
    virtual ~RankDevice() = default;
    virtual Device device() = 0;       // once
    virtual void bind() = 0;           // the calling thread is the rank's
    virtual void finish() = 0;         // waits for all streams; throws what failed in them
    // Ends the streams; what has not begun may be dropped. Peers may still read this rank's memory.
    virtual void drain() = 0;
};

// Where a rank gathers and reduces: on streams of their own, or on the one where it computes.
enum class CopyStreams { own, compute };

std::unique_ptr<RankDevice> make_cpu_rank(const LaunchOptions& options, const AbortSignal& abort, int rank,
                                          CopyStreams copies);
std::unique_ptr<RankDevice> make_cuda_rank(const LaunchOptions& options, const AbortSignal& abort, int rank,
                                           CopyStreams copies);

}  // namespace tandem
