#include "dist/trainables.h"

#include <fmt/core.h>

#include "dist/cast/cast.h"

namespace tandem {

namespace {

std::vector<std::size_t> buffer_sizes(const std::vector<UnitRanges>& ranges, int world_size, DType type) {
    std::vector<std::size_t> bytes;
    for (const UnitRanges& r : ranges)
        bytes.push_back(std::size_t(r.trainable) * std::size_t(world_size) * size_of(type));
    return bytes;
}

}  // namespace

Trainables::Trainables(Context& ctx, Transport& transport, const std::vector<UnitLayout>& units,
                       const StoreOptions& options)
    : ctx_(ctx),
      transport_(transport),
      units_(units),
      ranges_(ranges_of(units, ctx.world_size())),
      poison_(options.poison),
      type_(ctx.gradient_type()),
      exchanges_(units.size()),
      buffers_(gradient_arena_bytes(buffer_sizes(ranges_, ctx.world_size(), type_), options.schedules)) {
    const std::int64_t elements = ranges_.back().trainable_at + ranges_.back().trainable;
    masters_ = ctx.empty({elements}, type_, "masters", Category::master);
    gradients_ = ctx.empty({elements}, type_, "gradients", Category::gradient);
    if (narrow()) copies_ = ctx.empty({elements}, ctx.compute_type(), "shard.trainable", Category::shard);
    buffer_arena_ = ctx.empty({std::int64_t(buffers_.capacity())}, DType::u8, "gradients.arena", Category::gradient);
    for (const Tensor& t : {masters_, gradients_}) ctx.compute().fill(t.data(), 0, t.bytes());
    for (const Tensor& t : {masters_, gradients_, copies_})
        for (const UnitRanges& r : ranges_)
            ctx.memory().note_part(advance(t.data(), std::size_t(r.trainable_at) * size_of(t.dtype())),
                                   std::size_t(r.trainable) * size_of(t.dtype()));
}

std::size_t Trainables::buffer_bytes(int unit) const {
    return std::size_t(of(unit).trainable) * std::size_t(ctx_.world_size()) * size_of(type_);
}

class Trainables::Gradients final : public GradLease::Impl {
  public:
    Gradients(Trainables& owner, int unit, Stream& user, std::byte* buffer)
        : owner_(owner), unit_(unit), user_(user), buffer_(buffer) {}
    ~Gradients() override {
        if (!reduced_) owner_.buffers_.give_back(user_.record());
    }
    void reduce() override {
        reduced_ = true;
        owner_.reduce(unit_, buffer_, user_.record());
    }

  private:
    Trainables& owner_;
    const int unit_;
    Stream& user_;
    std::byte* const buffer_;
    bool reduced_ = false;
};

GradLease Trainables::gradients(int unit, Stream& user) {
    const std::size_t bytes = buffer_bytes(unit);
    std::byte* buffer = advance(buffer_arena_.data(), buffers_.take(bytes, user));
    auto lease = std::make_unique<Gradients>(*this, unit, user, buffer);
    ctx_.memory().note_part(buffer, bytes);
    user.fill(buffer, 0, bytes);
    std::size_t used = std::size_t(units_[std::size_t(unit)].trainable_elements) * size_of(type_);
    return {std::move(lease), {buffer, used}};
}

void Trainables::reduce(int unit, std::byte* buffer, Event written) {
    Stream& stream = ctx_.reduce();
    stream.wait(written);
    std::byte* range = advance(gradients_.data(), std::size_t(of(unit).trainable_at) * size_of(type_));
    transport_.reduce_scatter(stream, unit, {type_, buffer, range, of(unit).trainable});
    if (poison_) stream.fill(buffer, 0xff, buffer_bytes(unit));
    Event done = stream.record();
    exchanges_[std::size_t(unit)].reduced = done;
    buffers_.give_back(std::move(done));
}

TrainableRange Trainables::range(int unit, Stream& user) {
    const Exchange& last = exchanges_[std::size_t(unit)];
    user.wait(last.reduced);
    user.wait(last.gathered);
    const UnitRanges& r = of(unit);
    const std::int64_t all = units_[std::size_t(unit)].trainable_elements;
    const std::int64_t begin = std::min(all, ctx_.rank() * r.trainable), end = std::min(all, begin + r.trainable);
    const std::size_t at = std::size_t(r.trainable_at) * size_of(type_);
    return {begin, end - begin, advance(masters_.data(), at), advance(gradients_.data(), at)};
}

void Trainables::load(int unit, std::int64_t offset, std::span<const std::byte> data) {
    const std::size_t size = size_of(type_), bytes = std::size_t(units_[std::size_t(unit)].trainable_elements) * size;
    if (offset < 0 || data.size() % size || std::size_t(offset) * size + data.size() > bytes)
        throw Error(fmt::format("[store] {} bytes from element {} on do not fit the {} trainable elements of {}",
                                data.size(), offset, bytes / size, units_[std::size_t(unit)].name));
    const UnitRanges& r = of(unit);
    const Overlap mine = overlap(std::size_t(ctx_.rank() * r.trainable) * size, std::size_t(r.trainable) * size, data,
                                 std::size_t(offset) * size);
    ctx_.load(advance(masters_.data(), std::size_t(r.trainable_at) * size + mine.at), mine.data);
}

// The cast runs on the compute stream, like every kernel; a user that is another stream goes first.
void Trainables::updated(Stream& user) {
    Stream& compute = ctx_.compute();
    for (const Exchange& e : exchanges_) user.wait(e.gathered);
    if (&user != &compute) compute.wait(user.record());
    if (narrow())
        ctx_.run({"cast", cost::elementwise(masters_, copies_), {masters_}, {copies_}},
                 [&](auto device) { cast(device, masters_, copies_); });
    if (&user != &compute) user.wait(compute.record());
    ctx_.gather().wait(compute.record());
}

std::span<const std::byte> Trainables::own(int unit) const {
    const Tensor& t = narrow() ? copies_ : masters_;
    const std::size_t size = size_of(t.dtype());
    return {advance(t.data(), std::size_t(of(unit).trainable_at) * size), std::size_t(of(unit).trainable) * size};
}

void Trainables::gather(int unit, std::byte* out) {
    transport_.all_gather(ctx_.gather(), unit, own(unit), out);
    exchanges_[std::size_t(unit)].gathered = ctx_.gather().record();
}

}  // namespace tandem
