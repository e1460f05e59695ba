// A local rank for tests of ops, on the CPU or a card, and one unit of parameters at hand.
#pragma once
#include <numeric>
#include <optional>

#include "dist/local_rank.h"
#include "tools/check_op/device_kinds.h"
#include "tools/check_op/local_store.h"
#include "tools/check_op/values.h"

namespace tandem::test {

class TestRank {
  public:
    explicit TestRank(DType compute, int threads = 1, DeviceKind kind = DeviceKind::cpu,
                      std::size_t tile_bytes = LocalOptions{}.tile_bytes)
        : local_({compute, threads, kind == DeviceKind::cuda ? std::optional(0) : std::nullopt, tile_bytes}),
          ctx(local_.context()),
          store(ctx) {}

  private:
    LocalRank local_;

  public:
    Context& ctx;
    LocalStore store;
};

}  // namespace tandem::test
