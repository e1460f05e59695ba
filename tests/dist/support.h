// Units of random bytes, and a program over them that touches every byte and every interface of a store.
#pragma once
#include <doctest/doctest.h>

#include <cstring>
#include <mutex>
#include <random>
#include <thread>

#include "dist/launch.h"
#include "dist/ranges.h"
#include "runtime/cpu/cpu_stream.h"

namespace tandem::test {

struct Model {
    std::vector<UnitLayout> units;
    std::vector<std::vector<std::byte>> frozen;
    std::vector<std::vector<float>> masters;
    std::vector<std::vector<int>> schedules;  // each: one micro-batch
};

// Sizes that divide into ranges and sizes that do not; units without frozen or without trainable bytes.
inline Model random_model(unsigned seed) {
    std::mt19937 random(seed);
    auto below = [&](int n) { return int(random() % unsigned(n)); };
    Model m;
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

inline void load(LayerStore& store, const Model& m, DType compute) {
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

// Gradients that differ by unit and element; `share` of the whole is this rank's.
template <class T> void add_gradient(std::span<std::byte> buffer, int unit, int step, double share) {
    T* g = reinterpret_cast<T*>(buffer.data());
    for (std::size_t i = 0; i < buffer.size() / sizeof(T); i++)
        g[i] += T(share * double((unit + 3 * step + int(i)) % 17 - 8));
}

// The stream on which a program uses its weights: the rank's own, which runs everything at once, or one that lags
// behind the thread that enqueues, as a GPU does.
class User {
  public:
    User(Rank& rank, bool lagging)
        : lagging_(lagging ? make_worker_stream({&rank.context().abort(), nullptr, rank.context().rank(), "compute"})
                           : nullptr),
          stream(lagging_ ? *lagging_ : rank.context().compute()),
          random_(unsigned(rank.context().rank())) {}

    void enqueue(const char* what, std::function<void()> work) {
        std::chrono::microseconds lag(lagging_ ? random_() % 200 : 0);
        stream.enqueue(what, [work = std::move(work), lag] {
            if (lag.count()) std::this_thread::sleep_for(lag);
            work();
        });
    }

  private:
    std::unique_ptr<Stream> lagging_;

  public:
    Stream& stream;

  private:
    std::mt19937 random_;
};

inline void use(Rank& rank, LayerStore& store, User& user, int unit, int step, bool backward, Seen& seen) {
    Context& ctx = rank.context();
    Lease lease = store.acquire(unit, user.stream);
    user.enqueue("use", [&seen, frozen = lease.frozen(), trainable = lease.trainable()] {
        for (std::span<const std::byte> s : {frozen, trainable})
            seen.leased.insert(seen.leased.end(), s.begin(), s.end());
    });
    if (!backward || store.units()[std::size_t(unit)].trainable_elements == 0) return;
    GradLease gradients = store.gradients(unit, user.stream);
    user.enqueue("gradient", [&ctx, unit, step, bytes = gradients.bytes()] {
        double share = 1.0 / ctx.world_size();
        if (ctx.gradient_type() == DType::f64)
            add_gradient<double>(bytes, unit, step, share);
        else
            add_gradient<float>(bytes, unit, step, share);
    });
    std::move(gradients).reduce();
}

// master -= gradient / 8, in the range's type; clears the gradient.
template <class T> void descend(const TrainableRange& r) {
    for (std::int64_t i = 0; i < r.elements; i++) {
        reinterpret_cast<T*>(r.master)[i] -= reinterpret_cast<T*>(r.gradient)[i] * T(0.125);
        reinterpret_cast<T*>(r.gradient)[i] = 0;
    }
}

inline void optimize(Rank& rank, LayerStore& store, User& user) {
    Context& ctx = rank.context();
    for (int u = 0; u < int(store.units().size()); u++) {
        TrainableRange r = store.trainable(u, user.stream);
        user.enqueue("optimizer",
                     [&ctx, r] { ctx.gradient_type() == DType::f64 ? descend<double>(r) : descend<float>(r); });
    }
    store.updated(user.stream);
}

// Two steps over all schedules; the next schedule is announced before the optimizer runs, so that prefetching crosses
// it.
inline Seen run_program(Rank& rank, LayerStore& store, const Model& m, bool lagging = false) {
    Seen seen;
    User user(rank, lagging);
    for (int step = 0; step < 2; step++) {
        store.schedule(m.schedules[0]);
        if (step > 0) optimize(rank, store, user);
        for (std::size_t s = 0; s < m.schedules.size(); s++) {
            if (s > 0) store.schedule(m.schedules[s]);
            const std::vector<int>& order = m.schedules[s];
            for (std::size_t i = 0; i < order.size(); i++)
                use(rank, store, user, order[i], step, i >= order.size() / 2, seen);
        }
    }
    optimize(rank, store, user);
    user.stream.synchronize();
    return seen;
}

struct Run {
    int world_size = 2;
    StoreOptions store = {};
    DType compute = DType::f32;
    bool lagging = false;
};

// Rank 0's view, the masters gathered from all ranks.
inline Seen run_model(const Model& m, const Run& run) {
    std::vector<Seen> seen(std::size_t(run.world_size));
    std::vector<std::vector<double>> masters;
    for (const UnitLayout& u : m.units) masters.emplace_back(std::size_t(u.trainable_elements));
    std::mutex mutex;
    LaunchOptions options;
    options.world_size = run.world_size;
    options.compute = run.compute;
    launch(options, [&](Rank& rank) {
        StoreOptions o = run.store;
        o.schedules = m.schedules;
        LayerStore& store = rank.make_store(m.units, o);
        load(store, m, run.compute);
        seen[std::size_t(rank.context().rank())] = run_program(rank, store, m, run.lagging);
        std::lock_guard lock(mutex);
        for (int u = 0; u < int(m.units.size()); u++) {
            TrainableRange r = store.trainable(u, rank.context().compute());
            for (std::int64_t i = 0; i < r.elements; i++)
                masters[std::size_t(u)][std::size_t(r.begin + i)] = at(rank.context().gradient_type(), r.master, i);
        }
    });
    for (const Seen& s : seen) CHECK(s.leased == seen[0].leased);
    seen[0].masters = masters;
    return seen[0];
}

}  // namespace tandem::test
