// Runs a program on several ranks, one thread each.
#pragma once
#include <functional>
#include <span>

#include "dist/rank.h"
#include "runtime/plan/recompute_plan.h"

namespace tandem {

class Trace;

// Puts a transport around a rank's: the throttled one.
using Around = std::function<std::unique_ptr<Transport>(std::unique_ptr<Transport>, const AbortSignal&)>;

struct LaunchOptions {
    int world_size = 1;
    std::vector<int> cards = {};  // by rank: the CUDA device it runs on, one may be named twice; empty: CPU ranks
    TransportKind transport = TransportKind::automatic;
    std::size_t tile_bytes = 0;  // on cards: of the largest quantized weight, dequantized
    int threads = 1;  // of all ranks' kernels together; each has at least one. Two copy threads each come on top
    DType compute = DType::f32;
    Trace* trace = nullptr;                   // may be null
    std::span<const RankPlan> plans = {};     // one per rank, replayed from slabs; empty: memory from the heap
    RecomputePlan* recompute_plan = nullptr;  // may be null; only read
    Around around = {};                       // may be null
};

// Kernel threads of a rank: an equal share, one more on the first ranks where it does not divide.
int threads_of(const LaunchOptions& options, int rank);

// One run on ranks of its own (dist/ranks.h): calls `body` on every rank. The first exception of a rank ends them all:
// every wait wakes and throws Aborted. All ranks are joined and all streams drained before any memory goes; then that
// exception is thrown on as "rank 1: …", of the same type where it is an Error.
void launch(const LaunchOptions& options, const std::function<void(Rank&)>& body);

// One rank on the plan device, of the same shape as `launch` would make it: what runs there asks for the same memory in
// the same order, and touches none. Peers are not there: sums over ranks leave values as they are.
class PlanRank {
  public:
    PlanRank(const LaunchOptions& options, int rank);
    ~PlanRank();
    Rank& rank();
    RankPlan plan() const;  // so far; complete when every phase has ended

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace tandem
