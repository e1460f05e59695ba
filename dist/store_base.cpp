#include "dist/store_base.h"

#include <fmt/core.h>

#include "dist/agree.h"

namespace tandem {

namespace {

void agree_on_units(Collective& collective, DType compute, const std::vector<UnitLayout>& units,
                    const StoreOptions& options) {
    Hash layouts, choices;
    for (const UnitLayout& u : units) {
        layouts.add(u.name);
        layouts.add(u.frozen_bytes);
        layouts.add(std::uint64_t(u.trainable_elements));
    }
    for (std::uint64_t v : {std::uint64_t(compute), std::uint64_t(options.strategy), std::uint64_t(options.prefetch),
                            std::uint64_t(options.arena_cap), std::uint64_t(options.frozen)})
        choices.add(v);
    for (const std::vector<int>& s : options.schedules) {
        choices.add(s.size());
        for (int unit : s) choices.add(std::uint64_t(unit));
    }
    agree(collective, "unit layouts", layouts);
    agree(collective, "store options and schedules", choices);
}

// Before anything is sized by them.
const std::vector<UnitLayout>& valid(const std::vector<UnitLayout>& units, const StoreOptions& options) {
    if (units.empty()) throw Error("[store] expected at least one unit, got none");
    for (const UnitLayout& u : units)
        if (u.trainable_elements < 0)
            throw Error(fmt::format("[store] unit {} has {} trainable elements", u.name, u.trainable_elements));
    if (options.prefetch < 0)
        throw InputError(fmt::format("[store] expected to prefetch 0 units or more, got {}", options.prefetch));
    for (const std::vector<int>& s : options.schedules)
        for (int unit : s)
            if (unit < 0 || unit >= int(units.size()))
                throw Error(fmt::format("[store] a schedule names unit {} of {}", unit, units.size()));
    return units;
}

}  // namespace

StoreBase::StoreBase(Context& ctx, Transport& transport, Collective& collective, const std::vector<UnitLayout>& units,
                     const StoreOptions& options)
    : ctx_(ctx),
      transport_(transport),
      trainables_(ctx, transport, valid(units, options), options),
      collective_(collective),
      units_(units) {
    agree_on_units(collective, ctx.compute_type(), units, options);
}

void StoreBase::schedule(std::span<const int> units) {
    Hash hash;
    for (int unit : units) hash.add(std::uint64_t(checked(unit)));
    agree(collective_, "schedule", hash);  // the first one also waits until every rank has loaded its shard
    if (!started_) {
        started_ = true;
        transport_.loaded(ctx_.compute());
        updated(ctx_.compute());
    }
    begin(units);
}

void StoreBase::load_frozen(int unit, std::size_t offset, std::span<const std::byte> data) {
    not_started("frozen bytes");
    const std::size_t bytes = layout(checked(unit)).frozen_bytes;
    if (offset > bytes || data.size() > bytes - offset)
        throw Error(fmt::format("[store] {} bytes from byte {} on do not fit the {} frozen bytes of {}", data.size(),
                                offset, bytes, layout(unit).name));
    write_frozen(unit, offset, data);
}

void StoreBase::load_trainable(int unit, std::int64_t offset, std::span<const std::byte> data) {
    not_started("trainables");
    trainables_.load(checked(unit), offset, data);
}

int StoreBase::checked(int unit) const {
    if (failure_) std::rethrow_exception(failure_);
    if (unit < 0 || unit >= int(units_.size()))
        throw Error(fmt::format("[store] no unit {} of {}", unit, units_.size()));
    return unit;
}

void StoreBase::not_started(const char* what) const {
    if (started_)
        throw Error(fmt::format("[store] {} are loaded after the first schedule; load everything before", what));
}

}  // namespace tandem
