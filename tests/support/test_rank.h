// A single CPU rank for tests of ops: heap memory, inline streams, and one unit of parameters at hand.
#pragma once
#include <cstdlib>
#include <cstring>
#include <numeric>

#include "runtime/context.h"
#include "runtime/cpu/cpu_stream.h"

namespace tandem::test {

// One unit, one rank, nothing moves.
class LocalStore final : public LayerStore {
  public:
    explicit LocalStore(DType compute) : compute_(compute), layouts_{{"unit", 0, 0}} {}

    Param add(bool trainable, const Shape& shape, const std::vector<double>& values) {
        UnitLayout& u = layouts_[0];
        Param p{0, trainable, trainable ? u.trainable_elements : std::int64_t(u.frozen_bytes), shape, compute_};
        std::vector<std::byte>& blob = trainable ? trainable_ : frozen_;
        std::size_t begin = blob.size(), bytes = std::size_t(shape.elements()) * size_of(compute_);
        blob.resize(begin + align_up(bytes, 256 * size_of(compute_)));
        visit_compute(compute_, [&]<class T>() {
            for (std::size_t i = 0; i < values.size(); i++) reinterpret_cast<T*>(blob.data() + begin)[i] = T(values[i]);
        });
        if (trainable) u.trainable_elements = std::int64_t(blob.size() / size_of(compute_));
        else u.frozen_bytes = blob.size();
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
    std::span<std::byte> gradient_bytes() { return gradients_; }

    const std::vector<UnitLayout>& units() const override { return layouts_; }
    void schedule(std::span<const int>) override {}
    Lease acquire(int, Stream&) override { return {nullptr, frozen_, trainable_}; }
    GradLease gradients(int, Stream&) override {
        struct Nothing final : GradLease::Impl {
            void reduce() override {}
        };
        gradients_.assign(std::size_t(layouts_[0].trainable_elements) * (compute_ == DType::f64 ? 8 : 4), std::byte{0});
        return {std::make_unique<Nothing>(), gradients_};
    }
    TrainableRange trainable(int, Stream&) override { return {}; }
    void updated(Stream&) override {}
    void load_frozen(int, std::size_t, std::span<const std::byte>) override {}
    void load_trainable(int, std::int64_t, std::span<const std::byte>) override {}

  private:
    DType compute_;
    std::vector<UnitLayout> layouts_;
    std::vector<std::byte> frozen_, trainable_, gradients_;
};

class TestRank {
  public:
    explicit TestRank(DType compute, int threads = 1)
        : store(compute),
          pool_(threads),
          scratch_(static_cast<std::byte*>(std::aligned_alloc(256, CpuDevice::scratch_bytes(threads))), std::free),
          memory_(make_heap_memory()),
          stream_(make_inline_stream({&abort_, nullptr, 0, "compute"})),
          ctx(ContextParts{DeviceKind::cpu,
                           {&pool_, scratch_.get()},
                           0,
                           1,
                           compute,
                           memory_.get(),
                           stream_.get(),
                           stream_.get(),
                           stream_.get(),
                           &abort_,
                           nullptr,
                           nullptr}) {}

    LocalStore store;

  private:
    ThreadPool pool_;
    std::unique_ptr<std::byte, void (*)(void*)> scratch_;
    AbortSignal abort_;
    std::unique_ptr<Memory> memory_;
    std::unique_ptr<Stream> stream_;

  public:
    Context ctx;
};

template <class T = double> std::vector<double> values_of(const Tensor& t) {
    std::vector<double> v(std::size_t(t.elements()));
    visit_compute(t.dtype(), [&]<class E>() {
        for (std::size_t i = 0; i < v.size(); i++) v[i] = double(t.as<E>()[i]);
    });
    return v;
}

inline Tensor tensor_of(Context& ctx, const Shape& shape, DType dtype, const std::vector<double>& values) {
    Tensor t = ctx.empty(shape, dtype, "test");
    visit_compute(dtype, [&]<class E>() {
        for (std::size_t i = 0; i < values.size(); i++) t.as<E>()[i] = E(values[i]);
    });
    return t;
}

}  // namespace tandem::test
