// A model without training: logits, losses and text of token ids. Any thread may call, one at a time.
#pragma once
#include "runtime/tensor.h"
#include "tools/python/src/arguments.h"
#include "tools/python/src/guarded.h"
#include "tools/session/loaded_model.h"

namespace tandem::python {

class ModelSession {
  public:
    using Ids = std::vector<std::int32_t>;
    // Opens, plans, checks that there is room, and loads.
    ModelSession(const Arguments& arguments, const std::optional<std::string>& adapter);

    const ModelRecipe& recipe() const { return recipe_; }
    const Model& model() const { return model_; }
    std::vector<std::string> notes() const;  // what was decided that nobody asked for, a sentence each

    Tensor logits(const Ids& ids);                     // -> [len, vocab] f32
    double loss(const Ids& ids, const Ids& labels);    // mean over the supervised; labels as in data

    // Starts a text and returns its number: one at a time, the older one ends where another begins.
    std::uint64_t begin(const Ids& prompt, const GenerateSettings& settings);
    std::optional<std::int32_t> next(std::uint64_t text);  // NotFinite leaves the session as it is

    void close();

  private:
    void check_ids(const Ids& ids) const;
    void run(const std::function<void(ModelRank&)>& body);

    Guard guard_{"model"};
    ModelRecipe recipe_;
    Model model_;
    std::optional<Adapter> adapter_;
    std::unique_ptr<LoadedModel> loaded_;  // null: closed
    std::uint64_t text_ = 0;
};

}  // namespace tandem::python
