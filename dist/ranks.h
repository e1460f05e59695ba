// Ranks that live and take work: a thread each, from one run to the next with all that they hold.
#pragma once
#include "dist/launch.h"
#include "dist/local_rank.h"

namespace tandem {

class Ranks {
  public:
    // A thread per rank; its device, transport and context are made in it. Copies the plans; what else `options` points
    // to outlives the ranks. Throws the first failure, as run() does.
    explicit Ranks(const LaunchOptions& options);
    // Joins all threads, stops the transports after a failure and drains all streams; frees memory only then.
    ~Ranks();
    Ranks(const Ranks&) = delete;

    int world_size() const;

    // Calls `body` on every rank; returns when all have returned and their streams are synchronised. From any thread,
    // one run at a time. The first failure ends all ranks: every wait wakes and throws Aborted, and run() throws it as
    // "rank 1: …", of the same type where it is an Error. From then on every run() throws that failure again.
    void run(const std::function<void(Rank&)>& body);

    // One right here, without threads of ranks.
    static LocalRank local(const LocalOptions& options = {});

  private:
    struct State;
    std::unique_ptr<State> state_;
};

[[noreturn]] void throw_not_made(int rank);

// An object of each rank, made in its thread within a run. The ranks own it: see Rank::keep.
template <class T> class PerRank {
  public:
    explicit PerRank(const Ranks& ranks) : objects_(std::size_t(ranks.world_size())) {}

    template <class... A> T& make(Rank& rank, A&&... arguments) {
        auto made = std::make_shared<T>(std::forward<A>(arguments)...);
        rank.keep(made);
        return *(objects_.at(std::size_t(rank.context().rank())) = made.get());
    }
    T& of(Rank& rank) const { return of(rank.context().rank()); }
    // Another rank's, or from outside between two runs.
    T& of(int rank) const {
        T* made = objects_.at(std::size_t(rank));
        if (!made) throw_not_made(rank);
        return *made;
    }

  private:
    std::vector<T*> objects_;  // by rank; each writes its own
};

}  // namespace tandem
