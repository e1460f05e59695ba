#include <cmath>

#include "ops/attention/attention_kernels.h"
#include "ops/attention/attention_tiles.h"
#include "runtime/thread_pool.h"

namespace tandem {

namespace {

using namespace tiles;

template <class T> struct Gradient {
    T* out = nullptr;  // null: not wanted
    const T* addend = nullptr;
    explicit Gradient(const GradOut& g) {
        if (g) out = g.out.as<T>();
        if (g && g.addend) addend = g.addend.as<T>();
    }
};

template <class T> struct View {
    using A = accumulate_t<T>;
    explicit View(const AttentionBackward& a)
        : q(a.q.as<T>()),
          k(a.k.as<T>()),
          v(a.v.as<T>()),
          y(a.y.as<T>()),
          dy(a.dy.as<T>()),
          lse(a.lse.as<A>()),
          delta(a.delta.as<A>()),
          dq(a.dq),
          dk(a.dk),
          dv(a.dv),
          tokens(a.q.dim(0)),
          shape(a.shape) {}

    Source<T> of_head(const T* rows, std::int64_t row, int count, int head) const {  // of q, y or dy
        const std::int64_t stride = std::int64_t(shape.heads) * shape.head_dim;
        return {rows + row * stride + head * shape.head_dim, stride, count, shape.head_dim};
    }
    Source<T> of_kv_head(const T* rows, std::int64_t row, int count, int kv_head) const {  // of k or v
        const std::int64_t stride = std::int64_t(shape.kv_heads) * shape.head_dim;
        return {rows + row * stride + kv_head * shape.head_dim, stride, count, shape.head_dim};
    }
    A scale() const { return A(1) / std::sqrt(A(shape.head_dim)); }
    int depth() const { return round_up(shape.head_dim, depth_step<T>); }
    int width() const { return round_up(shape.head_dim, panel); }

    const T *q, *k, *v, *y, *dy;
    const A* lse;
    A* delta;
    Gradient<T> dq, dk, dv;
    std::int64_t tokens;
    AttentionShape shape;
};

// Sums of lanes that are 16 apart, then of the lanes: an order that vectors can keep.
template <class T> accumulate_t<T> dot(const T* a, const T* b, int n) {
    using A = accumulate_t<T>;
    constexpr int lanes = 16;
    A sums[lanes] = {};
    int i = 0;
    for (; i + lanes <= n; i += lanes)
        for (int j = 0; j < lanes; j++) sums[j] += A(a[i + j]) * A(b[i + j]);
    for (int j = 0; i + j < n; j++) sums[j] += A(a[i + j]) * A(b[i + j]);
    A sum = 0;
    for (A s : sums) sum += s;
    return sum;
}

// rows of out = addend + factor * sums, at (row, head) of `heads`.
template <class T> void write_rows(const Kernels<T>& kernels, const accumulate_t<T>* sums, int width,
                                   accumulate_t<T> factor, const Gradient<T>& gradient, const Source<T>& place) {
    for (int r = 0; r < place.rows; r++) {
        const std::int64_t at = place.data - gradient.out + r * place.stride;
        const T* addend = gradient.addend ? gradient.addend + at : nullptr;
        kernels.output({sums + std::int64_t(r) * width, factor, addend, gradient.out + at, place.width});
    }
}

// One tile of queries: dq = scale * sum over keys of ds k.
template <class T> class QueryItem {
    using A = accumulate_t<T>;

  public:
    QueryItem(const View<T>& view, const Tile& queries, const HeadRange& heads, ThreadScratch scratch)
        : view_(view),
          queries_(queries),
          heads_(heads),
          depth_(view.depth()),
          width_(view.width()),
          q_(scratch.take<T>(heads.count * tile * depth_)),
          dy_(scratch.take<T>(heads.count * tile * depth_)),
          dq_(scratch.take<A>(heads.count * tile * width_)),
          turned_k_(scratch.take<T>(tile * depth_)),
          turned_v_(scratch.take<T>(tile * depth_)),
          packed_k_(scratch.take<T>(tile * width_)),
          scores_(scratch.take<A>(tile * tile)),
          dp_(scratch.take<A>(tile * tile)),
          ds_(scratch.take<T>(tile * tile)) {}

    void run() {
        for (int h = 0; h < heads_.count; h++) {
            copy_rows(view_.of_head(view_.q, queries_.row, queries_.rows, heads_.begin + h), depth_,
                      q_ + h * tile * depth_);
            copy_rows(view_.of_head(view_.dy, queries_.row, queries_.rows, heads_.begin + h), depth_,
                      dy_ + h * tile * depth_);
        }
        std::fill_n(dq_, heads_.count * tile * width_, A(0));
        const std::int64_t keys = queries_.position + queries_.rows;
        for (std::int64_t key = 0; key < keys; key += tile)
            add_keys(key, int(std::min<std::int64_t>(tile, keys - key)));
        for (int h = 0; h < heads_.count; h++)
            write_rows(kernels_, dq_ + h * tile * width_, width_, view_.scale(), view_.dq,
                       view_.of_head(view_.dq.out, queries_.row, queries_.rows, heads_.begin + h));
    }

  private:
    void add_keys(std::int64_t key, int count) {
        const Source<T> k = view_.of_kv_head(view_.k, queries_.document + key, count, heads_.kv_head);
        const Source<T> v = view_.of_kv_head(view_.v, queries_.document + key, count, heads_.kv_head);
        const Window window{Columns::keys, queries_.rows, count,
                            int(std::min<std::int64_t>(queries_.position - key, tile))};
        kernels_.pack_transposed(k, turned_k_);
        kernels_.pack_transposed(v, turned_v_);
        kernels_.pack(k, packed_k_);
        for (int h = 0; h < heads_.count; h++) {
            const std::int64_t row = (heads_.begin + h) * view_.tokens + queries_.row;
            multiply_scores(kernels_, window, q_ + h * tile * depth_, depth_, turned_k_, scores_);
            multiply_scores(kernels_, window, dy_ + h * tile * depth_, depth_, turned_v_, dp_);
            kernels_.score_gradient(
                {window, view_.scale(), scores_, dp_, view_.lse + row, view_.delta + row, nullptr, ds_});
            add_products(kernels_, window, ds_, packed_k_, width_, dq_ + h * tile * width_);
        }
    }

    const Kernels<T>& kernels_ = kernels<T>();
    const View<T>& view_;
    const Tile queries_;
    const HeadRange heads_;
    const int depth_, width_;
    T *q_, *dy_;
    A* dq_;
    T *turned_k_, *turned_v_, *packed_k_;
    A *scores_, *dp_;
    T* ds_;
};

// One tile of keys, over the heads of its group in order and the queries from its own positions on:
// dk = scale * sum of ds^T q, dv = sum of p^T dy.
template <class T> class KeyItem {
    using A = accumulate_t<T>;

  public:
    KeyItem(const View<T>& view, const Tile& keys, int kv_head, ThreadScratch scratch)
        : view_(view),
          keys_(keys),
          kv_head_(kv_head),
          depth_(view.depth()),
          width_(view.width()),
          k_(scratch.take<T>(tile * depth_)),
          v_(scratch.take<T>(tile * depth_)),
          dk_(scratch.take<A>(tile * width_)),
          dv_(scratch.take<A>(tile * width_)),
          turned_q_(scratch.take<T>(tile * depth_)),
          turned_dy_(scratch.take<T>(tile * depth_)),
          packed_q_(scratch.take<T>(tile * width_)),
          packed_dy_(scratch.take<T>(tile * width_)),
          scores_(scratch.take<A>(tile * tile)),
          dp_(scratch.take<A>(tile * tile)),
          p_(scratch.take<T>(tile * tile)),
          ds_(scratch.take<T>(tile * tile)) {}

    void run() {
        copy_rows(view_.of_kv_head(view_.k, keys_.row, keys_.rows, kv_head_), depth_, k_);
        copy_rows(view_.of_kv_head(view_.v, keys_.row, keys_.rows, kv_head_), depth_, v_);
        std::fill_n(dk_, tile * width_, A(0));
        std::fill_n(dv_, tile * width_, A(0));
        const int group = view_.shape.heads / view_.shape.kv_heads;
        for (int head = kv_head_ * group; head < (kv_head_ + 1) * group; head++)
            for (std::int64_t query = keys_.position; query < keys_.length; query += tile)
                add_queries(head, query, int(std::min<std::int64_t>(tile, keys_.length - query)));
        if (view_.dk.out)
            write_rows(kernels_, dk_, width_, view_.scale(), view_.dk,
                       view_.of_kv_head(view_.dk.out, keys_.row, keys_.rows, kv_head_));
        if (view_.dv.out)
            write_rows(kernels_, dv_, width_, A(1), view_.dv,
                       view_.of_kv_head(view_.dv.out, keys_.row, keys_.rows, kv_head_));
    }

  private:
    void add_queries(int head, std::int64_t query, int count) {
        const Source<T> q = view_.of_head(view_.q, keys_.document + query, count, head);
        const Source<T> dy = view_.of_head(view_.dy, keys_.document + query, count, head);
        const Window window{Columns::queries, keys_.rows, count,
                            int(std::max<std::int64_t>(keys_.position - query, -tile))};
        const std::int64_t row = head * view_.tokens + keys_.document + query;
        kernels_.pack_transposed(q, turned_q_);
        kernels_.pack_transposed(dy, turned_dy_);
        multiply_scores(kernels_, window, k_, depth_, turned_q_, scores_);
        multiply_scores(kernels_, window, v_, depth_, turned_dy_, dp_);
        kernels_.score_gradient({window, view_.scale(), scores_, dp_, view_.lse + row, view_.delta + row, p_, ds_});
        if (view_.dk.out) {
            kernels_.pack(q, packed_q_);
            add_products(kernels_, window, ds_, packed_q_, width_, dk_);
        }
        if (view_.dv.out) {
            kernels_.pack(dy, packed_dy_);
            add_products(kernels_, window, p_, packed_dy_, width_, dv_);
        }
    }

    const Kernels<T>& kernels_ = kernels<T>();
    const View<T>& view_;
    const Tile keys_;
    const int kv_head_, depth_, width_;
    T *k_, *v_;
    A *dk_, *dv_;
    T *turned_q_, *turned_dy_, *packed_q_, *packed_dy_;
    A *scores_, *dp_;
    T *p_, *ds_;
};

}  // namespace

// Two passes, each of which owns what it writes: queries recompute their scores against all their keys, then keys
// against all their queries. Seven products instead of five, and no partial sums to add across threads.
void attention_backward(const CpuDevice& device, const AttentionBackward& a) {
    visit_compute(a.q.dtype(), [&]<class T>() {
        const View<T> view(a);
        const AttentionShape& s = a.shape;
        const DocumentTiles tiles(a.cu_seqlens, view.tokens);
        device.pool->parallel_for(view.tokens, [&](std::int64_t t) {
            for (int h = 0; h < s.heads; h++)
                view.delta[h * view.tokens + t] =
                    dot(view.of_head(view.y, t, 1, h).data, view.of_head(view.dy, t, 1, h).data, s.head_dim);
        });
        const HeadItems<T> heads(s);
        if (view.dq.out)
            device.pool->parallel_for_thread(tiles.count() * heads.count(), [&](std::int64_t i, int thread) {
                const ThreadScratch scratch(device, thread);
                QueryItem<T>(view, tiles(i / heads.count()), heads(i % heads.count()), scratch).run();
            });
        if (view.dk.out || view.dv.out)
            device.pool->parallel_for_thread(tiles.count() * s.kv_heads, [&](std::int64_t i, int thread) {
                const Tile keys = tiles(tiles.count() - 1 - i / s.kv_heads);  // the first keys have the most queries
                KeyItem<T>(view, keys, int(i % s.kv_heads), ThreadScratch(device, thread)).run();
            });
    });
}

}  // namespace tandem
