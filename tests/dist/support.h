// Units of random bytes, and a program over them that touches every byte and every interface of a store.
#pragma once
#include <fmt/core.h>

#include <doctest/doctest.h>

#include <cstring>
#include <list>
#include <mutex>
#include <optional>
#include <random>
#include <thread>

#include "dist/launch.h"
#include "dist/ranges.h"
#include "runtime/cpu/cpu_stream.h"
#include "runtime/cuda/pinned_slab.h"

namespace tandem::test {

struct SmallModel {
    std::vector<UnitLayout> units;
    std::vector<std::vector<std::byte>> frozen;
    std::vector<std::vector<float>> masters;
    std::vector<std::vector<int>> schedules;  // each: one micro-batch
};

// Sizes that divide into ranges and sizes that do not; units without frozen or without trainable bytes.
inline SmallModel random_model(unsigned seed) {
    std::mt19937 random(seed);
    auto below = [&](int n) { return int(random() % unsigned(n)); };
    SmallModel m;
    int count = 2 + below(6);
    for (int u = 0; u < count; u++) {
        UnitLayout layout{fmt::format("unit{}", u), 0, 0};
        if (below(6))
            layout.frozen_bytes = unit_alignment * std::size_t(1 + below(u == 0 ? 40 : 9)) - std::size_t(below(3));
        if (below(4)) layout.trainable_elements = 1 + below(2000);
        std::vector<std::byte>& f = m.frozen.emplace_back(layout.frozen_bytes);
        for (std::byte& b : f) b = std::byte(random());
        std::vector<float>& t = m.masters.emplace_back(std::size_t(layout.trainable_elements));
        for (float& v : t) v = float(int(random() % 4096) - 2048) / 512;
        m.units.push_back(layout);
    }
    for (int s = 0; s < 3; s++) {
        std::vector<int>& schedule = m.schedules.emplace_back();
        if (s == 0) {  // down and up again
            for (int u = 0; u < count; u++) schedule.push_back(u);
            for (int u = count; u-- > 0;) schedule.push_back(u);
        } else {
            for (int i = 0, n = 1 + below(12); i < n; i++)
                schedule.push_back(below(4) || i == 0 ? below(count) : schedule.back());
        }
    }
    return m;
}

inline void load(LayerStore& store, const SmallModel& m, DType compute) {
    for (int u = 0; u < int(m.units.size()); u++) {
        std::span<const std::byte> f = m.frozen[std::size_t(u)];
        std::size_t half = f.size() / 2 + f.size() % 7;  // two writes that split anywhere
        half = std::min(half, f.size());
        store.load_frozen(u, 0, f.first(half));
        store.load_frozen(u, half, f.subspan(half));
        const std::vector<float>& t = m.masters[std::size_t(u)];
        if (compute == DType::f64) {
            std::vector<double> wide(t.begin(), t.end());
            store.load_trainable(u, 0, std::as_bytes(std::span(wide)));
        } else {
            store.load_trainable(u, 0, std::as_bytes(std::span(t)));
        }
    }
}

// What a program saw and left: every byte of every lease, and the masters at the end by blob position.
struct Seen {
    std::vector<std::byte> leased;
    std::vector<std::vector<double>> masters;
};

inline double at(DType t, const std::byte* data, std::int64_t i) {
    return t == DType::f64 ? reinterpret_cast<const double*>(data)[i] : double(reinterpret_cast<const float*>(data)[i]);
}

// Gradients that differ by unit and element; `share` of the whole is one rank's.
template <class T> void write_gradient(std::byte* to, std::size_t bytes, int unit, int step, double share) {
    T* g = reinterpret_cast<T*>(to);
    for (std::size_t i = 0; i < bytes / sizeof(T); i++) g[i] = T(share * double((unit + 3 * step + int(i)) % 17 - 8));
}

// Host memory that streams copy from and to, kept until the program's end.
class HostBuffers {
  public:
    explicit HostBuffers(DeviceKind kind) : kind_(kind) {}
    std::byte* make(std::size_t bytes) {
        if constexpr (build::has_cuda)
            if (kind_ == DeviceKind::cuda) return pinned_.emplace_back(std::make_shared<PinnedSlab>(bytes))->data();
        return plain_.emplace_back(bytes).data();
    }

  private:
    DeviceKind kind_;
    std::list<std::vector<std::byte>> plain_;
    std::list<std::shared_ptr<PinnedSlab>> pinned_;
};

// The stream on which a program uses its weights: the rank's own, which on the CPU runs everything at once, or one that
// lags behind the thread that enqueues, as a GPU does. It reads and writes device memory by copies alone.
class User {
  public:
    User(Rank& rank, bool lagging)
        : lagging_(lagging ? make_worker_stream({&rank.context().abort(), nullptr, rank.context().rank(), "compute"})
                           : nullptr),
          stream(lagging_ ? *lagging_ : rank.context().compute()),
          buffers(rank.context().device().kind),
          random_(unsigned(rank.context().rank())) {}

    void lag() {
        std::chrono::microseconds time(lagging_ ? random_() % 200 : 0);
        if (time.count()) stream.enqueue("lag", [time] { std::this_thread::sleep_for(time); });
    }
    // The bytes of `from`, from when the stream has come here on.
    std::byte* read(std::span<const std::byte> from) {
        lag();
        std::byte* to = buffers.make(from.size());
        stream.copy(to, from.data(), from.size());
        return to;
    }

  private:
    std::unique_ptr<Stream> lagging_;

  public:
    Stream& stream;
    HostBuffers buffers;

  private:
    std::mt19937 random_;
};

// What a program reads; complete when its stream is done.
using Reads = std::vector<std::span<const std::byte>>;

inline void use(Rank& rank, LayerStore& store, User& user, int unit, int step, bool backward, Reads& reads) {
    Context& ctx = rank.context();
    Lease lease = store.acquire(unit, user.stream);
    for (std::span<const std::byte> s : {lease.frozen(), lease.trainable()}) reads.push_back({user.read(s), s.size()});
    if (!backward || store.units()[std::size_t(unit)].trainable_elements == 0) return;
    GradLease gradients = store.gradients(unit, user.stream);
    const std::size_t bytes = gradients.bytes().size();
    std::byte* values = user.buffers.make(bytes);
    const double share = 1.0 / ctx.world_size();
    if (ctx.gradient_type() == DType::f64)
        write_gradient<double>(values, bytes, unit, step, share);
    else
        write_gradient<float>(values, bytes, unit, step, share);
    user.lag();
    user.stream.copy(gradients.bytes().data(), values, bytes);
    std::move(gradients).reduce();
}

// master -= gradient / 8, in the range's type; clears the gradient.
template <class T> void descend(User& user, const TrainableRange& r) {
    const std::size_t bytes = std::size_t(r.elements) * sizeof(T);
    T* master = reinterpret_cast<T*>(user.read({r.master, bytes}));
    const T* gradient = reinterpret_cast<const T*>(user.read({r.gradient, bytes}));
    user.stream.enqueue("descend", [master, gradient, n = r.elements] {
        for (std::int64_t i = 0; i < n; i++) master[i] -= gradient[i] * T(0.125);
    });
    user.stream.copy(r.master, reinterpret_cast<const std::byte*>(master), bytes);
    user.stream.fill(r.gradient, 0, bytes);
}

inline void optimize(Rank& rank, LayerStore& store, User& user) {
    for (int u = 0; u < int(store.units().size()); u++) {
        TrainableRange r = store.trainable(u, user.stream);
        if (rank.context().gradient_type() == DType::f64)
            descend<double>(user, r);
        else
            descend<float>(user, r);
    }
    store.updated(user.stream);
}

// Two steps over all schedules; the next schedule is announced before the optimizer runs, so that prefetching crosses
// it.
inline Seen run_program(Rank& rank, LayerStore& store, const SmallModel& m, bool lagging = false) {
    User user(rank, lagging);
    Reads reads;
    for (int step = 0; step < 2; step++) {
        store.schedule(m.schedules[0]);
        if (step > 0) optimize(rank, store, user);
        for (std::size_t s = 0; s < m.schedules.size(); s++) {
            if (s > 0) store.schedule(m.schedules[s]);
            const std::vector<int>& order = m.schedules[s];
            for (std::size_t i = 0; i < order.size(); i++)
                use(rank, store, user, order[i], step, i >= order.size() / 2, reads);
        }
    }
    optimize(rank, store, user);
    user.stream.synchronize();
    Seen seen;
    for (std::span<const std::byte> s : reads) seen.leased.insert(seen.leased.end(), s.begin(), s.end());
    return seen;
}

struct SmallRun {
    int world_size = 2;
    StoreOptions store = {};
    DType compute = DType::f32;
    bool lagging = false;
    std::vector<int> cards = {};
    TransportKind transport = TransportKind::automatic;
};

// Rank 0's view, the masters gathered from all ranks.
inline Seen run_model(const SmallModel& m, const SmallRun& run) {
    std::vector<Seen> seen(std::size_t(run.world_size));
    std::vector<std::vector<double>> masters;
    for (const UnitLayout& u : m.units) masters.emplace_back(std::size_t(u.trainable_elements));
    std::mutex mutex;
    LaunchOptions options;
    options.world_size = run.world_size;
    options.compute = run.compute;
    options.cards = run.cards;
    options.transport = run.transport;
    std::optional<HostWeights> host;
    if (run.store.frozen != FrozenFrom::device)
        host.emplace(m.units, run.world_size,
                     run.cards.empty() ? HostWeights::For::cpu_ranks : HostWeights::For::cards);
    launch(options, [&](Rank& rank) {
        StoreOptions o = run.store;
        o.host = host ? &*host : nullptr;
        o.schedules = m.schedules;
        LayerStore& store = rank.make_store(m.units, o);
        load(store, m, run.compute);
        seen[std::size_t(rank.context().rank())] = run_program(rank, store, m, run.lagging);
        std::lock_guard lock(mutex);
        for (int u = 0; u < int(m.units.size()); u++) {
            TrainableRange r = store.trainable(u, rank.context().compute());
            const DType type = rank.context().gradient_type();
            std::vector<std::byte> host(std::size_t(r.elements) * size_of(type));
            rank.context().download(host, Tensor(r.master, Shape{r.elements}, type));
            for (std::int64_t i = 0; i < r.elements; i++)
                masters[std::size_t(u)][std::size_t(r.begin + i)] = at(type, host.data(), i);
        }
    });
    for (const Seen& s : seen) CHECK(s.leased == seen[0].leased);
    seen[0].masters = masters;
    return seen[0];
}

}  // namespace tandem::test
