#include <fmt/core.h>

#include <cstring>

#include "dist/host/host_group.h"

namespace tandem {

namespace {

class HostCollective final : public Collective {
  public:
    HostCollective(HostGroup& group, int rank) : group_(group), rank_(rank) {}
    int rank() const override { return rank_; }
    int world_size() const override { return group_.world_size; }

    void sum(std::span<double> values) override {
        auto all = group_.control.meet(rank_, "sum", values.size(), values.data());
        std::vector<double> total(values.size());
        for (std::size_t r = 0; r < all.size(); r++) {
            const double* of_rank = static_cast<const double*>(all[r]);
            for (std::size_t i = 0; i < total.size(); i++) total[i] = r ? total[i] + of_rank[i] : of_rank[i];
        }
        group_.control.meet(rank_, "end of sum", values.size(), nullptr);
        if (!total.empty()) std::memcpy(values.data(), total.data(), values.size_bytes());
    }

    void barrier() override { group_.control.meet(rank_, "barrier", 0, nullptr); }

    void all_gather(std::span<const std::byte> mine, std::span<std::byte> out) override {
        if (out.size() != mine.size() * std::size_t(world_size()))
            throw Error(fmt::format("[all_gather] expected room for {} times {} bytes, got {}", world_size(),
                                    mine.size(), out.size()));
        auto all = group_.control.meet(rank_, "all-gather", mine.size(), mine.data());
        for (std::size_t r = 0; r < all.size() && !mine.empty(); r++)
            std::memcpy(out.data() + r * mine.size(), all[r], mine.size());
        group_.control.meet(rank_, "end of all-gather", mine.size(), nullptr);
    }

  private:
    HostGroup& group_;
    const int rank_;
};

}  // namespace

std::unique_ptr<Collective> make_host_collective(HostGroup& group, int rank) {
    return std::make_unique<HostCollective>(group, rank);
}

}  // namespace tandem
