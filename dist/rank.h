// What a program is given to run as one of several ranks.
#pragma once
#include "dist/store.h"

namespace tandem {

class Rank {
  public:
    Rank(Context& ctx, Transport& transport, Collective& collective)
        : ctx_(ctx), transport_(transport), collective_(collective) {}
    ~Rank() {
        while (!kept_.empty()) kept_.pop_back();
    }
    Rank(const Rank&) = delete;

    Context& context() { return ctx_; }
    Collective& collective() { return collective_; }

    // Once, by all ranks together. The store lives until every rank has ended, for peers read its memory.
    LayerStore& make_store(const std::vector<UnitLayout>& units, const StoreOptions& options) {
        if (store_) throw Error("[rank] a rank has one store; put all units into it");
        store_ = tandem::make_store(ctx_, transport_, collective_, units, options);
        return *store_;
    }

    // Lives as long as the rank: let go newest first, when the streams of all ranks are drained and gone, before the
    // store. A lease must have ended by then.
    void keep(std::shared_ptr<void> object) { kept_.push_back(std::move(object)); }

  private:
    Context& ctx_;
    Transport& transport_;
    Collective& collective_;
    std::unique_ptr<LayerStore> store_;
    std::vector<std::shared_ptr<void>> kept_;
};

}  // namespace tandem
