// A local rank for tests of ops, on the CPU or a card, and one unit of parameters at hand.
#pragma once
#include <cstring>
#include <memory>
#include <numeric>
#include <optional>

#include "dist/local_rank.h"
#include "runtime/cuda/cards.h"

namespace tandem::test {

// The kinds of device that this machine can test: cuda where the build has it and there is a card.
inline const std::vector<DeviceKind>& device_kinds() {
    static const std::vector<DeviceKind> kinds = [] {
        std::vector<DeviceKind> k{DeviceKind::cpu};
        if constexpr (build::has_cuda)
            if (!cards().empty()) k.push_back(DeviceKind::cuda);
        return k;
    }();
    return kinds;
}
inline bool has_card() { return device_kinds().size() > 1; }

// One unit, one rank, nothing moves.
class LocalStore final : public LayerStore {
  public:
    explicit LocalStore(DType compute) : compute_(compute), layouts_{{"unit", 0, 0}} {}
    void belong_to(Context& ctx) { ctx_ = &ctx; }

    Param add(bool trainable, const Shape& shape, const std::vector<double>& values) {
        UnitLayout& u = layouts_[0];
        Param p{0, trainable, trainable ? u.trainable_elements : std::int64_t(u.frozen_bytes), shape, compute_};
        std::vector<std::byte>& blob = trainable ? trainable_ : frozen_;
        std::size_t begin = blob.size(), bytes = std::size_t(shape.elements()) * size_of(compute_);
        blob.resize(begin + align_up(bytes, 256 * size_of(compute_)));
        visit_compute(compute_, [&]<class T>() {
            for (std::size_t i = 0; i < values.size(); i++) reinterpret_cast<T*>(blob.data() + begin)[i] = T(values[i]);
        });
        if (trainable)
            u.trainable_elements = std::int64_t(blob.size() / size_of(compute_));
        else
            u.frozen_bytes = blob.size();
        return p;
    }
    // Opaque bytes (a quantized weight); its place in the frozen blob.
    std::int64_t add_bytes(std::span<const std::byte> bytes) {
        std::int64_t at = std::int64_t(frozen_.size());
        frozen_.insert(frozen_.end(), bytes.begin(), bytes.end());
        frozen_.resize(align_up(frozen_.size(), 1024));
        layouts_[0].frozen_bytes = frozen_.size();
        return at;
    }
    const std::vector<UnitLayout>& units() const override { return layouts_; }
    void schedule(std::span<const int>) override {}
    Lease acquire(int, Stream&) override {
        frozen_there_ = copy(frozen_);
        trainable_there_ = copy(trainable_);
        return {nullptr, {frozen_there_.data(), frozen_.size()}, {trainable_there_.data(), trainable_.size()}};
    }
    GradLease gradients(int, Stream& user) override {
        struct Nothing final : GradLease::Impl {
            void reduce() override {}
        };
        std::int64_t bytes = layouts_[0].trainable_elements * (compute_ == DType::f64 ? 8 : 4);
        gradients_ = ctx_->empty({bytes}, DType::u8, "gradients");
        user.fill(gradients_.data(), 0, std::size_t(bytes));
        return {std::make_unique<Nothing>(), {gradients_.data(), std::size_t(bytes)}};
    }
    TrainableRange trainable(int, Stream&) override { return {}; }
    void updated(Stream&) override {}
    void load_frozen(int, std::size_t, std::span<const std::byte>) override {}
    void load_trainable(int, std::int64_t, std::span<const std::byte>) override {}

  private:
    Tensor copy(const std::vector<std::byte>& bytes) {
        Tensor t = ctx_->empty({std::int64_t(bytes.size())}, DType::u8, "parameters");
        ctx_->upload(t, bytes);
        return t;
    }

    DType compute_;
    Context* ctx_ = nullptr;
    std::vector<UnitLayout> layouts_;
    std::vector<std::byte> frozen_, trainable_;
    Tensor frozen_there_, trainable_there_, gradients_;
};

class TestRank {
  public:
    explicit TestRank(DType compute, int threads = 1, DeviceKind kind = DeviceKind::cpu,
                      std::size_t tile_bytes = LocalOptions{}.tile_bytes)
        : local_({compute, threads, kind == DeviceKind::cuda ? std::optional(0) : std::nullopt, tile_bytes}),
          ctx(local_.context()),
          store(compute) {
        store.belong_to(ctx);
    }

  private:
    LocalRank local_;

  public:
    Context& ctx;
    LocalStore store;
};

template <class T = double> std::vector<T> numbers_of(Context& ctx, const Tensor& t) {
    std::vector<T> v(std::size_t(t.elements()));
    std::vector<std::byte> bytes(t.bytes());
    ctx.download(bytes, t);
    auto convert = [&]<class E>() {
        for (std::size_t i = 0; i < v.size(); i++) {
            E e;
            std::memcpy(&e, bytes.data() + i * sizeof(E), sizeof(E));
            v[i] = T(e);
        }
    };
    if (t.dtype() == DType::i32)
        convert.template operator()<std::int32_t>();
    else
        visit_compute(t.dtype(), convert);
    return v;
}
inline std::vector<double> values_of(Context& ctx, const Tensor& t) { return numbers_of<double>(ctx, t); }
inline double value_of(Context& ctx, const Tensor& t) { return values_of(ctx, t).at(0); }

inline void set_values(Context& ctx, const Tensor& t, const std::vector<double>& values) {
    visit_compute(t.dtype(), [&]<class E>() {
        std::vector<E> v(values.size());
        for (std::size_t i = 0; i < v.size(); i++) v[i] = E(values[i]);
        ctx.upload(t, std::as_bytes(std::span(v)));
    });
}
inline Tensor tensor_of(Context& ctx, const Shape& shape, DType dtype, const std::vector<double>& values) {
    Tensor t = ctx.empty(shape, dtype, "test");
    set_values(ctx, t, values);
    return t;
}
inline Tensor indices_of(Context& ctx, const std::vector<std::int32_t>& values) {
    Tensor t = ctx.empty({std::int64_t(values.size())}, DType::i32, "test");
    ctx.upload(t, std::as_bytes(std::span(values)));
    return t;
}

}  // namespace tandem::test
