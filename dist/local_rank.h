// One rank right here: in the calling thread, with no threads but its pool's, no peers and no plan. Memory comes from
// the heap, and what it gathers and reduces goes through its compute stream. Cheap to make on the CPU.
#pragma once
#include <optional>

#include "dist/rank.h"

namespace tandem {

struct LocalOptions {
    DType compute = DType::f32;
    int threads = 1;                    // of its kernels, the caller's included
    std::optional<int> card = {};       // the CUDA device it is on; none: the CPU
    std::size_t tile_bytes = 4u << 20;  // on a card: of the largest quantized weight, dequantized
};

class LocalRank {
  public:
    explicit LocalRank(const LocalOptions& options = {});
    ~LocalRank();  // in the thread that made it, when nothing of its memory is used any more
    LocalRank(LocalRank&&) noexcept;

    Rank& rank();
    Context& context() { return rank().context(); }
    Collective& collective() { return rank().collective(); }
    LayerStore& make_store(const std::vector<UnitLayout>& units, const StoreOptions& options) {
        return rank().make_store(units, options);
    }

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace tandem
