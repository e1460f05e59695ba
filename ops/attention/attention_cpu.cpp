#include <cmath>
#include <cstring>
#include <limits>

#include "ops/attention/attention_kernels.h"
#include "ops/attention/attention_tiles.h"
#include "runtime/thread_pool.h"

namespace tandem {

namespace {

using namespace tiles;

template <class T> struct View {
    using A = accumulate_t<T>;
    const T *q, *k, *v;
    T* y;
    A* lse;  // null: not wanted
    std::int64_t tokens;
    AttentionShape shape;
};

// Queries of heads that share their keys and values, over the tiles of keys from the document's start on. The rows of a
// stack of scores are the tile's tokens for one head, or, where there is a single token (generation), the heads.
template <class T> class ForwardItem {
    using A = accumulate_t<T>;

  public:
    ForwardItem(const View<T>& view, const Tile& queries, const HeadRange& heads, ThreadScratch scratch)
        : view_(view),
          queries_(queries),
          heads_(heads),
          single_(queries.rows == 1),
          stacks_(single_ ? 1 : heads.count),
          rows_(single_ ? heads.count : queries.rows),
          dim_(view.shape.head_dim),
          depth_(round_up(dim_, depth_step<T>)),
          width_(round_up(dim_, panel)),
          q_(scratch.take<T>(stacks_ * tile * depth_)),
          y_(scratch.take<A>(stacks_ * tile * width_)),
          max_(scratch.take<A>(stacks_ * tile)),
          sum_(scratch.take<A>(stacks_ * tile)),
          packed_k_(scratch.take<T>(tile * depth_)),
          packed_v_(scratch.take<T>(tile * width_)),
          scores_(scratch.take<A>(tile * tile)),
          p_(scratch.take<T>(tile * tile)) {}

    void run() {
        const std::int64_t token_stride = std::int64_t(view_.shape.heads) * dim_;
        const std::int64_t stride = single_ ? dim_ : token_stride;
        for (int h = 0; h < stacks_; h++)
            copy_rows<T>({view_.q + queries_.row * token_stride + (heads_.begin + h) * dim_, stride, rows_, dim_},
                         depth_, q_ + h * tile * depth_);
        std::fill_n(y_, stacks_ * tile * width_, A(0));
        std::fill_n(sum_, stacks_ * tile, A(0));
        std::fill_n(max_, stacks_ * tile, -std::numeric_limits<A>::infinity());
        const std::int64_t keys = queries_.position + queries_.rows;
        for (std::int64_t key = 0; key < keys; key += tile)
            add_keys(key, int(std::min<std::int64_t>(tile, keys - key)));
        for (int h = 0; h < stacks_; h++) finish(h);
    }

  private:
    void add_keys(std::int64_t key, int count) {
        const std::int64_t stride = std::int64_t(view_.shape.kv_heads) * dim_;
        const std::int64_t at = (queries_.document + key) * stride + heads_.kv_head * dim_;
        const Window window{Columns::keys, rows_, count, int(std::min<std::int64_t>(queries_.position - key, tile))};
        const A scale = A(1) / std::sqrt(A(dim_));
        kernels_.pack_transposed({view_.k + at, stride, count, dim_}, packed_k_);
        kernels_.pack({view_.v + at, stride, count, dim_}, packed_v_);
        for (int h = 0; h < stacks_; h++) {
            A* y = y_ + h * tile * width_;
            multiply_scores(kernels_, window, q_ + h * tile * depth_, depth_, packed_k_, scores_);
            kernels_.softmax({window, scale, scores_, max_ + h * tile, sum_ + h * tile, y, width_, p_});
            add_products(kernels_, window, p_, packed_v_, width_, y);
        }
    }

    void finish(int h) {
        for (int r = 0; r < rows_; r++) {
            const std::int64_t head = heads_.begin + (single_ ? r : h);
            const std::int64_t row = queries_.row + (single_ ? 0 : r);
            const A sum = sum_[h * tile + r];
            T* y = view_.y + (row * view_.shape.heads + head) * dim_;
            kernels_.output({y_ + (std::int64_t(h) * tile + r) * width_, A(1) / sum, nullptr, y, dim_});
            if (view_.lse) view_.lse[head * view_.tokens + row] = max_[h * tile + r] + std::log(sum);
        }
    }

    const Kernels<T>& kernels_ = kernels<T>();
    const View<T>& view_;
    const Tile queries_;
    const HeadRange heads_;
    const bool single_;  // token: the last that there are keys for, so that every row of its stack sees all of them
    const int stacks_, rows_;
    const int dim_, depth_, width_;
    T* q_;
    A *y_, *max_, *sum_;  // of each stack
    T *packed_k_, *packed_v_;
    A* scores_;
    T* p_;
};

template <class T, class TileAt>
void forward(const CpuDevice& device, const View<T>& view, std::int64_t tile_count, const TileAt& tile_at) {
    const HeadItems<T> heads(view.shape);
    device.pool->parallel_for_thread(tile_count * heads.count(), [&](std::int64_t i, int thread) {
        ForwardItem<T>(view, tile_at(i / heads.count()), heads(i % heads.count()), ThreadScratch(device, thread)).run();
    });
}

}  // namespace

void attention_forward(const CpuDevice& device, const AttentionForward& a) {
    visit_compute(a.q.dtype(), [&]<class T>() {
        using A = accumulate_t<T>;
        const std::int64_t tokens = a.q.dim(0);
        const DocumentTiles tiles(a.cu_seqlens, tokens);
        const View<T> view{a.q.as<T>(), a.k.as<T>(), a.v.as<T>(), a.y.as<T>(), a.lse.as<A>(), tokens, a.shape};
        forward(device, view, tiles.count(), tiles);
    });
}

void attention_cached_forward(const CpuDevice& device, const AttentionCached& a) {
    const std::int64_t fresh = a.q.dim(0), past = a.cache.past;
    if (fresh == 0) return;
    std::memcpy(a.cache.k.slice(past, past + fresh).data(), a.k.data(), a.k.bytes());
    std::memcpy(a.cache.v.slice(past, past + fresh).data(), a.v.data(), a.v.bytes());
    visit_compute(a.q.dtype(), [&]<class T>() {
        const View<T> view{a.q.as<T>(), a.cache.k.as<T>(), a.cache.v.as<T>(), a.y.as<T>(), nullptr, fresh, a.shape};
        forward(device, view, (fresh + tile - 1) / tile, [&](std::int64_t i) {
            const std::int64_t row = i * tile;
            return Tile{row, int(std::min<std::int64_t>(tile, fresh - row)), past + row, 0, past + fresh};
        });
    });
}

}  // namespace tandem
