// A model's weights into the stores of all ranks.
#pragma once
#include <mutex>

#include "dist/rank.h"
#include "models/train/load_weights.h"

namespace tandem {

class WeightLoader {
  public:
    WeightLoader(const Params& params, const WeightSource& source, int world_size, LoadProgress progress = {});

    // On every rank, once: collective. Returns the same on each: the identity of the base weights as they are held,
    // load_weights' hashes of all ranks' parts added.
    std::uint64_t load(Rank& rank, LayerStore& store);

  private:
    void add_loaded(std::int64_t elements);

    const Params& params_;
    WeightSource source_;
    std::vector<LayerStore*> stores_;  // by rank; set by each rank, read after a barrier
    LoadProgress progress_;
    std::mutex mutex_;
    std::int64_t loaded_ = 0, elements_ = 0;
};

}  // namespace tandem
