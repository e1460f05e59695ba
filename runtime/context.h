// A rank as ops see it: a handle on its device, its recorder and its leases. Passed to every op; owned by the launch.
#pragma once
#include <array>
#include <memory>
#include <string_view>
#include <utility>

#include "runtime/device.h"
#include "runtime/leases.h"
#include "runtime/op.h"
#include "runtime/recorder.h"

namespace tandem {

class AbortSignal;

// What the random numbers of a step are drawn from (runtime/rng.h): whatever computes a token's mask, and however
// often, the counter is the same.
struct RandomState {
    std::uint64_t seed = 0;
    std::uint64_t step = 0;
    Tensor samples;    // i32 [tokens], each token's global sample index; empty: nothing is dropped (evaluation)
    Tensor positions;  // i32 [tokens], its position in the sample
};

struct ContextParts {
    Device device{};
    int rank = 0, world_size = 1;
    DType compute = DType::f32;  // f64 | f32 | bf16: activations, and weights as the graph sees them
    const AbortSignal* abort = nullptr;
    RecomputePlan* recompute_plan = nullptr;  // may be null; written on the plan device, read elsewhere
};

// Whether a gradient is wanted for an input of an op.
struct Wants {
    bool gradient;
    Wants(const Value& v) : gradient(v.slot() != nullptr) {}
    Wants(const Param& p) : gradient(p.trainable) {}
    explicit Wants(bool g) : gradient(g) {}
};

class Context {
  public:
    explicit Context(const ContextParts& parts)
        : parts_(parts), recorder_(parts.recompute_plan, parts.device.kind), leases_(parts.rank) {}
    Context(const Context&) = delete;

    const Device& device() const { return parts_.device; }
    Recorder& recorder() { return recorder_; }
    Leases& leases() { return leases_; }
    bool is_plan() const { return device().kind == DeviceKind::plan; }
    bool on_cuda() const { return device().target == DeviceKind::cuda; }  // true for the plan of a card, too
    int rank() const { return parts_.rank; }
    int world_size() const { return parts_.world_size; }
    DType compute_type() const { return parts_.compute; }
    DType gradient_type() const { return accumulator_type(parts_.compute); }  // of parameters
    Memory& memory() { return *device().memory; }
    Memory& memory(Place place) { return device().at(place); }
    Stream& compute() { return *device().compute; }
    Stream& gather() { return *device().gather; }
    Stream& reduce() { return *device().reduce; }
    Stream& offload() { return *device().offload; }
    const AbortSignal& abort() const { return *parts_.abort; }
    const CpuDevice& cpu() const { return device().cpu; }
    int card() const { return device().cuda.ordinal; }  // of a rank on one
    RandomState random;

    Tensor empty(const Shape& shape, DType dtype, std::string_view name, Category category = Category::activation,
                 Place place = Place::device) {
        std::size_t bytes = std::size_t(shape.elements()) * size_of(dtype);
        return {memory(place).allocate(bytes, category, name), shape, dtype};
    }
    Tensor empty_like(const Tensor& t, std::string_view name) { return empty(t.shape(), t.dtype(), name); }

    // Runs a kernel: `kernel` is called with the device's type as its first argument (CpuDevice, or CudaDevice when the
    // binary has it), on the compute stream; on the plan device only the cost is noted. A kernel that takes CpuDevice
    // alone is an Error on a card.
    template <class F> void run(const Op& op, F&& kernel) {
        if (begin(op)) launch(op, kernel);
        else if (is_plan()) recorder_.note(op, {});
    }
    // The same for an op that makes tensors: they are allocated, given to the kernel after the device, and returned.
    // Where a recomputed block's op makes nothing that backward reads it is skipped, and what is returned has a shape
    // but no memory.
    template <std::size_t n, class F>
    std::array<Tensor, n> run(const Op& op, const Output (&outputs)[n], F&& kernel) {
        const bool runs = begin(op), made = runs || is_plan();
        std::array<Tensor, n> out;
        for (std::size_t i = 0; i < n; i++)
            out[i] = made ? empty(outputs[i].shape, outputs[i].dtype, outputs[i].name)
                          : Tensor(nullptr, outputs[i].shape, outputs[i].dtype);
        if (is_plan()) recorder_.note(op, out);
        if (runs) launch_making(op, kernel, out, std::make_index_sequence<n>());
        return out;
    }
    template <class F> Tensor run(const Op& op, const Output& output, F&& kernel) {
        const Output one[] = {output};
        return run(op, one, kernel)[0];
    }

    // Work beside the steps: calls f with the device, as run does; not on the plan device.
    template <class F> void on_device(F&& f) const { device().visit(f); }

    // Puts an op's backward on the tape, and gives y its slot, if any of the inputs wants a gradient.
    void backward(Value& y, std::initializer_list<Wants> inputs, Backward backward);
    bool recording() const { return recorder_.recording(); }
    bool wants(const Value& v) const { return v.slot() != nullptr; }

    // Where the gradient of a value or parameter goes; call once per contribution, right before the kernel writes it.
    GradOut grad(const Value& v) { return grad(v.slot()); }
    GradOut grad(const GradSlotPtr& slot);
    GradOut grad(const Param& param);
    // The whole of dy is the contribution: shared, not copied, where it is the first. Returns the kernel's work to do
    // (out = addend + dy) where it is not.
    GradOut pass(const GradSlotPtr& slot, const Tensor& dy);

    // A parameter's bytes in the lease that is held now; null data on the plan device. An op's kernel asks for those
    // alone that the op names.
    Tensor bytes(const Param& param) const;

    // Host memory to a tensor and back, in the compute stream's order; nothing on the plan device (zeros come back).
    void upload(const Tensor& to, std::span<const std::byte> from);
    void download(std::span<std::byte> to, const Tensor& from);

    // Loading: as upload, but from any thread, to any place on the device.
    void load(std::byte* to, std::span<const std::byte> from);

    // Total cost of the ops run since the last call.
    Cost take_cost() { return std::exchange(cost_, Cost{}); }

  private:
    bool begin(const Op& op);  // whether its kernel is to be launched
    [[noreturn]] static void refuse_card(const Op& op);
    // A kernel with the tensors that its op makes: for the devices that it has a body for.
    template <std::size_t> using Made = const Tensor&;
    template <class F, std::size_t... i> struct Making {
        F& kernel;
        const std::array<Tensor, sizeof...(i)>& made;
        template <class D>
            requires(std::is_invocable_v<F&, const D&, Made<i>...>)
        void operator()(const D& device) const {
            kernel(device, made[i]...);
        }
    };
    template <class F, std::size_t... i>
    void launch_making(const Op& op, F& kernel, const std::array<Tensor, sizeof...(i)>& made,
                       std::index_sequence<i...>) {
        launch(op, Making<F, i...>{kernel, made});
    }
    template <class F> void launch(const Op& op, F&& kernel) {
        StreamSpan span(compute(), op.name);
        const Op* before = std::exchange(running_, &op);
        if constexpr (build::has_cuda && !std::is_invocable_v<F, const CudaDevice&>) {
            if (device().kind == DeviceKind::cuda) refuse_card(op);
            kernel(cpu());
        } else {
            on_device(kernel);
        }
        running_ = before;
    }

    ContextParts parts_;
    Recorder recorder_;
    Leases leases_;
    Cost cost_;
    const Op* running_ = nullptr;  // whose kernel is being launched
};

// Records onto `tape` (null: records nothing) for its scope.
class TapeScope {
  public:
    TapeScope(Context& ctx, Tape* tape)
        : recorder_(ctx.recorder()), before_(std::exchange(recorder_.tape_, tape)) {}
    ~TapeScope() { recorder_.tape_ = before_; }
    TapeScope(const TapeScope&) = delete;

  private:
    Recorder& recorder_;
    Tape* before_;
};

// Says for its scope whose tokens are trained on: dropout is on.
class TrainingScope {
  public:
    TrainingScope(Context& ctx, const Tensor& samples, const Tensor& positions) : ctx_(ctx) {
        ctx.random.samples = samples;
        ctx.random.positions = positions;
    }
    ~TrainingScope() { ctx_.random.samples = ctx_.random.positions = Tensor(); }
    TrainingScope(const TrainingScope&) = delete;

  private:
    Context& ctx_;
};

}  // namespace tandem
