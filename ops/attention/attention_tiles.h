// How the CPU cuts attention: documents into tiles aligned to their own start, and a tile's work into micro-kernels.
#pragma once
#include <fmt/core.h>

#include "ops/attention/attention.h"
#include "ops/attention/tile_kernels.h"

namespace tandem::tiles {

// Up to 64 consecutive tokens of one document.
struct Tile {
    std::int64_t row;  // of its first token, in q (keys: in k)
    int rows;
    std::int64_t position;  // of its first token, in the document
    std::int64_t document;  // row of the document's first token, in k
    std::int64_t length;    // the document's tokens up to which there are queries
};

// The tiles of all documents, the last first: it sees the most keys.
class DocumentTiles {
  public:
    DocumentTiles(const Tensor& cu_seqlens, std::int64_t tokens) : begins_(cu_seqlens.as<std::int32_t>()) {
        documents_ = cu_seqlens.dim(0) - 1;
        for (std::int64_t d = 0; d < documents_; d++) {
            if (begins_[d + 1] < begins_[d])
                throw Error(
                    fmt::format("[attention] cu_seqlens falls from {} to {} at document {}; give the documents' first "
                                "tokens in order",
                                begins_[d], begins_[d + 1], d));
            count_ += tiles_of(d);
        }
        if (begins_[0] != 0 || begins_[documents_] != tokens)
            throw Error(fmt::format("[attention] expected cu_seqlens from 0 to {} tokens, got {} to {}", tokens,
                                    begins_[0], begins_[documents_]));
    }
    std::int64_t count() const { return count_; }
    Tile operator()(std::int64_t index) const {
        std::int64_t d = documents_ - 1;
        for (; index >= tiles_of(d); d--) index -= tiles_of(d);
        const std::int64_t position = (tiles_of(d) - 1 - index) * tile, length = begins_[d + 1] - begins_[d];
        return {begins_[d] + position, int(std::min<std::int64_t>(tile, length - position)), position, begins_[d],
                length};
    }

  private:
    std::int64_t tiles_of(std::int64_t d) const { return (begins_[d + 1] - begins_[d] + tile - 1) / tile; }
    const std::int32_t* begins_;
    std::int64_t documents_, count_ = 0;
};

// Hands out a thread's scratch.
class ThreadScratch {
  public:
    ThreadScratch(const CpuDevice& device, int thread)
        : at_(device.of_thread(thread)), end_(at_ + CpuDevice::private_bytes) {}
    template <class T> T* take(std::int64_t count) {
        std::byte* here = at_;
        at_ += (std::size_t(count) * sizeof(T) + 63) / 64 * 64;
        if (at_ > end_) throw Error("[attention] its tiles are larger than a thread's scratch; use a smaller head_dim");
        return reinterpret_cast<T*>(here);
    }

  private:
    std::byte *at_, *end_;
};

// Rows of one head as the left operand of products: [rows up to a multiple of 8, depth], zeros around the source.
template <class T> void copy_rows(const Source<T>& from, int depth, T* to) {
    for (int r = 0; r < round_up(from.rows, block_rows); r++, to += depth) {
        const int width = r < from.rows ? from.width : 0;
        std::copy_n(from.data + r * from.stride, width, to);
        std::fill(to + width, to + depth, T(0.0f));
    }
}

// scores [rows, tile] = a [rows, depth] packed [depth, columns], where the window has any.
template <class T> void multiply_scores(const Kernels<T>& kernels, const Window& window, const T* a, int depth,
                                        const T* packed, accumulate_t<T>* scores) {
    for (int column = 0; column < window.columns; column += panel)
        for (int r = 0; r < window.rows; r += block_rows) {
            const int rows = std::min(block_rows, window.rows - r);
            if (window.begin(r) >= column + panel || window.end(r + rows - 1) <= column) continue;
            kernels.product({a + std::int64_t(r) * depth, depth, packed + std::int64_t(column) * depth,
                             scores + r * tile + column, tile, rows, depth, Into::store});
        }
}

// sums [rows, width] += p [rows, tile] packed [tile, width]; p is zero outside the window.
template <class T> void add_products(const Kernels<T>& kernels, const Window& window, const T* p, const T* packed,
                                     int width, accumulate_t<T>* sums) {
    for (int column = 0; column < width; column += panel)
        for (int r = 0; r < window.rows; r += block_rows) {
            const int rows = std::min(block_rows, window.rows - r);
            const int begin = window.begin(r) / depth_step<T> * depth_step<T>;
            const int end = round_up(window.end(r + rows - 1), depth_step<T>);
            if (begin >= end) continue;
            kernels.product({p + r * tile + begin, tile, packed + column * tile + begin * panel,
                             sums + std::int64_t(r) * width + column, width, rows, end - begin, Into::add});
        }
}

// Heads of one group whose queries share the packed keys and values of a work item: as many as scratch has room for.
struct HeadRange {
    int kv_head, begin, count;
};
template <class T> class HeadItems {
  public:
    explicit HeadItems(const AttentionShape& s)
        : group_(s.heads / s.kv_heads), per_group_((group_ + most - 1) / most), count_(s.kv_heads * per_group_) {}
    int count() const { return count_; }
    HeadRange operator()(std::int64_t item) const {
        const int kv_head = int(item) / per_group_, first = int(item) % per_group_ * most;
        return {kv_head, kv_head * group_ + first, std::min(most, group_ - first)};
    }

  private:
    static constexpr int most = 32 / sizeof(accumulate_t<T>);
    int group_, per_group_, count_;
};

}  // namespace tandem::tiles
