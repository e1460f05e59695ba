// A model on its ranks, without training: for text, losses, logits. The ranks are threads that live from start() on.
#pragma once
#include <memory>
#include <optional>

#include "dist/ranks.h"
#include "models/llama/generate.h"
#include "models/train/load_weights.h"
#include "tools/session/model.h"
#include "tools/session/room/smaller.h"

namespace tandem {

// What a rank has.
struct ModelRank {
    ModelRank(Rank& rank, const ModelRecipe& recipe, const LlamaConfig& config, const Params& params,
              HostWeights* host);
    Context& context() { return rank.context(); }

    Rank& rank;
    LayerStore& store;
    Llama llama;
    std::optional<Generator> generator;  // whoever needs it makes it before its first phase
};

class LoadedModel {
  public:
    // `largest`: the most that a rank will do, on the plan device, with this recipe or a smaller one. What it allocates
    // before its first phase, the first run() allocates too, in the same order. `model` and `adapter` (may be null)
    // outlive this.
    using Largest = std::function<void(ModelRank&, const ModelRecipe&)>;
    LoadedModel(const ModelRecipe& recipe, const Model& model, const Adapter* adapter, Largest largest);
    ~LoadedModel();

    const Params& params() const { return params_; }
    const MemoryNeed& memory() const { return need_; }
    // The weights' place where the recipe leaves it open: the first that fits. Says, as a setting, if it is off the
    // devices.
    std::string settle_places(const Room& room);
    // Throws DoesNotFit. `smaller`: changes that may be tried, mildest first.
    void require_room(const Room& room, const Changes& smaller);
    void start(const LoadProgress& progress = {});  // ranks and weights, after require_room() where it was not called
    void run(const std::function<void(ModelRank&)>& body);

  private:
    NeedWith<ModelRecipe> need_with() const;
    Params make_params(const ModelRecipe& recipe) const;
    WeightSource weights() const;
    MemoryNeed plan(const ModelRecipe& recipe, const Params& params) const;

    ModelRecipe recipe_;
    const Model& model_;
    const Adapter* adapter_;
    Largest largest_;
    Params params_;
    MemoryNeed need_;
    bool room_checked_ = false;
    std::unique_ptr<HostWeights> host_weights_;
    std::unique_ptr<Ranks> ranks_;
    std::optional<PerRank<ModelRank>> models_;
};

}  // namespace tandem
