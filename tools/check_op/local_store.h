// The parameters of an op that is tried by itself: one unit on a local rank, where nothing moves.
#pragma once
#include <memory>
#include <vector>

#include "runtime/context.h"

namespace tandem {

class LocalStore final : public LayerStore {
  public:
    explicit LocalStore(Context& ctx) : ctx_(ctx) {}

    Param add_trainable(const Shape& shape, const std::vector<double>& values) {
        UnitLayout& u = layouts_[0];
        Param p{0, true, u.trainable_elements, shape, compute()};
        append(trainable_, shape, values);
        u.trainable_elements = std::int64_t(trainable_.size() / size_of(compute()));
        return p;
    }
    Param add_frozen(const Shape& shape, const std::vector<double>& values) {
        Param p{0, false, std::int64_t(frozen_.size()), shape, compute()};
        append(frozen_, shape, values);
        layouts_[0].frozen_bytes = frozen_.size();
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
        std::int64_t bytes = layouts_[0].trainable_elements * std::int64_t(size_of(ctx_.gradient_type()));
        gradients_ = ctx_.empty({bytes}, DType::u8, "gradients");
        user.fill(gradients_.data(), 0, std::size_t(bytes));
        return {std::make_unique<Nothing>(), {gradients_.data(), std::size_t(bytes)}};
    }
    TrainableRange trainable(int, Stream&) override { return {}; }
    void updated(Stream&) override {}
    void load_frozen(int, std::size_t, std::span<const std::byte>) override {}
    void load_trainable(int, std::int64_t, std::span<const std::byte>) override {}

  private:
    DType compute() const { return ctx_.compute_type(); }
    void append(std::vector<std::byte>& blob, const Shape& shape, const std::vector<double>& values) const {
        const std::size_t begin = blob.size(), bytes = std::size_t(shape.elements()) * size_of(compute());
        blob.resize(begin + align_up(bytes, 256 * size_of(compute())));
        visit_compute(compute(), [&]<class T>() {
            for (std::size_t i = 0; i < values.size(); i++) reinterpret_cast<T*>(blob.data() + begin)[i] = T(values[i]);
        });
    }
    Tensor copy(const std::vector<std::byte>& bytes) {
        Tensor t = ctx_.empty({std::int64_t(bytes.size())}, DType::u8, "parameters");
        ctx_.upload(t, bytes);
        return t;
    }

    Context& ctx_;
    std::vector<UnitLayout> layouts_{{"unit", 0, 0}};
    std::vector<std::byte> frozen_, trainable_;
    Tensor frozen_there_, trainable_there_, gradients_;
};

}  // namespace tandem
