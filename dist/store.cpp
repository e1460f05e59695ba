#include "dist/store.h"

#include "dist/resident_store.h"
#include "dist/streamed_store.h"

namespace tandem {

std::unique_ptr<LayerStore> make_store(Context& ctx, Transport& transport, Collective& collective,
                                       const std::vector<UnitLayout>& units, const StoreOptions& options) {
    if (options.strategy == Strategy::ddp && options.frozen != FrozenFrom::device)
        throw Error("[store] ddp holds all weights on each device; another strategy has them elsewhere");
    if (options.frozen == FrozenFrom::device && (options.strategy == Strategy::ddp || ctx.world_size() == 1))
        return std::make_unique<ResidentStore>(ctx, transport, collective, units, options);
    return std::make_unique<StreamedStore>(ctx, transport, collective, units, options);
}

}  // namespace tandem
