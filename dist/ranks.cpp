#include "dist/ranks.h"

#include <fmt/core.h>

#include <thread>

#include "dist/failure.h"
#include "dist/rank_state.h"

namespace tandem {

void throw_not_made(int rank) {
    throw Error(fmt::format("[ranks] expected an object on rank {}, got none; make it in a run first", rank));
}

struct Ranks::State {
    explicit State(const LaunchOptions& o)  // checked
        : options(o),
          plans(o.plans.begin(), o.plans.end()),
          group(o.world_size, abort),
          ranks(std::size_t(o.world_size)) {
        options.plans = plans;
    }
    ~State() { end(); }

    void start();
    int world_size() const { return options.world_size; }
    void run(const std::function<void(Rank&)>& work);

  private:
    void live(int rank);
    template <class F> void attempt(int rank, F work) noexcept;
    const std::function<void(Rank&)>* next_run(std::uint64_t done);
    void wait_for_all();
    void end() noexcept;
    void throw_failure() const {
        if (std::exception_ptr failure = abort.failure()) std::rethrow_exception(failure);
    }

    LaunchOptions options;
    const std::vector<RankPlan> plans;
    AbortSignal abort;
    HostGroup group;
    std::vector<std::unique_ptr<RankState>> ranks;

    std::mutex mutex;  // of what follows, but for the threads
    std::condition_variable begun, all_done;
    const std::function<void(Rank&)>* body = nullptr;
    std::uint64_t runs = 0;
    std::size_t busy = 0;  // ranks that have not come to the end of this run
    bool running = false, ending = false;
    std::vector<std::thread> threads;
};

template <class F> void Ranks::State::attempt(int rank, F work) noexcept {
    try {
        work();
    } catch (...) {
        abort.raise(named_failure(rank, std::current_exception()));
    }
}

void Ranks::State::live(int rank) {
    auto done = [&] {
        std::lock_guard lock(mutex);
        if (--busy == 0) all_done.notify_one();
    };
    std::unique_ptr<RankState>& state = ranks[std::size_t(rank)];
    attempt(rank, [&] { state = make_rank(options, group, rank, CopyStreams::own); });
    done();
    for (std::uint64_t finished = 0; auto* work = next_run(finished); finished++) {
        attempt(rank, [&] {
            (*work)(state->rank);
            state->device->finish();
            group.leave(rank);
        });
        done();
    }
}

// The body of the run after `finished` of them; null: there is none any more.
const std::function<void(Rank&)>* Ranks::State::next_run(std::uint64_t finished) {
    std::unique_lock lock(mutex);
    begun.wait(lock, [&] { return runs > finished || ending; });
    return runs > finished ? body : nullptr;
}

void Ranks::State::wait_for_all() {
    std::unique_lock lock(mutex);
    all_done.wait(lock, [&] { return busy == 0; });
    running = false;
}

void Ranks::State::start() {
    busy = ranks.size();
    try {
        for (int r = 0; r < options.world_size; r++) threads.emplace_back([this, r] { live(r); });
    } catch (...) {  // a thread that the system refused
        abort.raise(std::current_exception());
        std::lock_guard lock(mutex);
        busy -= ranks.size() - threads.size();
    }
    wait_for_all();
    throw_failure();
}

void Ranks::State::run(const std::function<void(Rank&)>& work) {
    {
        std::lock_guard lock(mutex);
        if (running) throw Error("[ranks] expected one run at a time, got a run within a run; call it when that ends");
        throw_failure();
        running = true;
        group.begin();
        body = &work;
        busy = ranks.size();
        runs++;
    }
    begun.notify_all();
    wait_for_all();
    if (!abort.raised()) return;
    end();
    throw_failure();
}

// After a failure: a transport that waits for peers in its streams could not be drained.
void Ranks::State::end() noexcept {
    {
        std::lock_guard lock(mutex);
        ending = true;
    }
    begun.notify_all();
    for (std::thread& t : threads) t.join();
    threads.clear();
    for (auto& state : ranks)
        if (state && abort.raised()) state->transport->stop();
    for (auto& state : ranks)
        if (state) state->device->drain();
}

Ranks::Ranks(const LaunchOptions& options) {
    check_launch(options);
    state_ = std::make_unique<State>(options);
    state_->start();
}
Ranks::~Ranks() = default;
int Ranks::world_size() const { return state_->world_size(); }
void Ranks::run(const std::function<void(Rank&)>& body) { state_->run(body); }
LocalRank Ranks::local(const LocalOptions& options) { return LocalRank(options); }

}  // namespace tandem
