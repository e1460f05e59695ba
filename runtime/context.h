// A rank: its device, streams, memory, tape and what it may touch. Passed to every op; owned by the launch.
#pragma once
#include <initializer_list>
#include <memory>
#include <string_view>
#include <vector>

#include "runtime/autograd.h"
#include "runtime/build.h"
#include "runtime/cost.h"
#include "runtime/cpu/cpu_device.h"
#include "runtime/cuda/cuda_device.h"
#include "runtime/layer_store.h"

namespace tandem {

class AbortSignal;
class RecomputePlan;

enum class DeviceKind { cpu, cuda, plan };

// What the random numbers of a step are drawn from (runtime/rng.h): whatever computes a token's mask, and however
// often, the counter is the same.
struct RandomState {
    std::uint64_t seed = 0;
    std::uint64_t step = 0;
    Tensor samples;    // i32 [tokens], each token's global sample index; empty: nothing is dropped (evaluation)
    Tensor positions;  // i32 [tokens], its position in the sample
};

struct ContextParts {
    DeviceKind device = DeviceKind::cpu;
    DeviceKind target = DeviceKind::cpu;  // what a plan is for; elsewhere the device itself
    CpuDevice cpu{};    // on a card: threads for host work alone; unused on the plan device
    CudaDevice cuda{};  // on a card
    int rank = 0, world_size = 1;
    DType compute = DType::f32;  // f64 | f32 | bf16: activations, and weights as the graph sees them
    Memory* memory = nullptr;
    Stream* compute_stream = nullptr;
    Stream* gather_stream = nullptr;
    Stream* reduce_stream = nullptr;
    const AbortSignal* abort = nullptr;
    RecomputePlan* recompute_plan = nullptr; // may be null; written on the plan device, read elsewhere
};

// One op as `run` is told of it. All tensors that it reads or writes are named, for the plan and for tests.
struct Op {
    const char* name;
    Cost cost;
    std::initializer_list<Tensor> reads;
    std::initializer_list<Tensor> writes;
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
    explicit Context(const ContextParts& parts) : parts_(parts) {}
    Context(const Context&) = delete;

    DeviceKind device() const { return parts_.device; }
    bool is_plan() const { return parts_.device == DeviceKind::plan; }
    bool on_cuda() const { return parts_.target == DeviceKind::cuda; }  // true for the plan of a card, too
    int rank() const { return parts_.rank; }
    int world_size() const { return parts_.world_size; }
    DType compute_type() const { return parts_.compute; }
    DType gradient_type() const { return accumulator_type(parts_.compute); }  // of parameters
    Memory& memory() { return *parts_.memory; }
    Stream& compute() { return *parts_.compute_stream; }
    Stream& gather() { return *parts_.gather_stream; }
    Stream& reduce() { return *parts_.reduce_stream; }
    const AbortSignal& abort() const { return *parts_.abort; }
    const CpuDevice& cpu() const { return parts_.cpu; }
    int card() const { return parts_.cuda.ordinal; }  // of a rank on one
    RandomState random;

    Tensor empty(const Shape& shape, DType dtype, std::string_view name, Category category = Category::activation) {
        std::size_t bytes = std::size_t(shape.elements()) * size_of(dtype);
        return {memory().allocate(bytes, category, name), shape, dtype};
    }
    Tensor empty_like(const Tensor& t, std::string_view name) { return empty(t.shape(), t.dtype(), name); }

    // Runs a kernel: `kernel` is called with the device's type as its first argument (CpuDevice, or CudaDevice when the
    // binary has it), on the compute stream; on the plan device only the cost is noted. Skipped where a recomputed
    // block's op makes nothing that backward reads. A kernel that takes CpuDevice alone is an Error on a card.
    template <class F> void run(const Op& op, F&& kernel) {
        cost_ += op.cost;
        if (!enter(op)) return;
        StreamSpan span(compute(), op.name);
        if constexpr (build::has_cuda && !std::is_invocable_v<F, const CudaDevice&>) {
            if (parts_.device == DeviceKind::cuda) refuse_card(op);
            kernel(parts_.cpu);
        } else {
            on_device(kernel);
        }
    }

    // Work beside the steps: calls f with the device, as run does; not on the plan device.
    template <class F> void on_device(F&& f) const {
        if (parts_.device == DeviceKind::cpu) return f(parts_.cpu);
        if constexpr (build::has_cuda)
            if (parts_.device == DeviceKind::cuda) f(parts_.cuda);
    }

    // Puts an op's backward on the tape, and gives y its slot, if any of the inputs wants a gradient.
    void backward(Value& y, std::initializer_list<Wants> inputs, Backward backward);
    bool recording() const { return tape_ != nullptr; }
    bool wants(const Value& v) const { return v.slot() != nullptr; }

    // Where the gradient of a value or parameter goes; call once per contribution, right before the kernel writes it.
    GradOut grad(const Value& v) { return grad(v.slot()); }
    GradOut grad(const GradSlotPtr& slot);
    GradOut grad(const Param& param);
    // The whole of dy is the contribution: shared, not copied, where it is the first. Returns the kernel's work to do
    // (out = addend + dy) where it is not.
    GradOut pass(const GradSlotPtr& slot, const Tensor& dy);

    // A parameter's bytes in the lease that is held now; null data on the plan device.
    Tensor bytes(const Param& param) const;

    // Host memory to a tensor and back, in the compute stream's order; nothing on the plan device (zeros come back).
    void upload(const Tensor& to, std::span<const std::byte> from);
    void download(std::span<std::byte> to, const Tensor& from);

    // Loading: as upload, but from any thread, to any place on the device.
    void load(std::byte* to, std::span<const std::byte> from);

    // Total cost of the ops run since the last call.
    Cost take_cost() { return std::exchange(cost_, Cost{}); }

  private:
    friend class TapeScope;
    friend class LeaseScope;
    friend class GradScope;
    friend class RecomputeScope;
    bool enter(const Op& op);  // whether the kernel is to run
    [[noreturn]] static void refuse_card(const Op& op);

    ContextParts parts_;
    Cost cost_;
    Tape* tape_ = nullptr;  // null: not recording
    struct Held {
        int unit;
        std::span<const std::byte> frozen, trainable;
    };
    std::vector<Held> held_;
    int gradient_unit_ = -1;
    std::span<std::byte> gradient_bytes_;
    int recomputing_ = -1;  // the unit, or -1
    std::size_t op_ = 0;    // ops of the recomputed block's forward so far
    bool in_forward_ = false;
};

// Records onto `tape` (null: records nothing) for its scope.
class TapeScope {
  public:
    TapeScope(Context& ctx, Tape* tape) : ctx_(ctx), before_(std::exchange(ctx.tape_, tape)) {}
    ~TapeScope() { ctx_.tape_ = before_; }
    TapeScope(const TapeScope&) = delete;

  private:
    Context& ctx_;
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

// Holds a unit's weights on the compute stream for its scope.
class LeaseScope {
  public:
    LeaseScope(Context& ctx, LayerStore& store, int unit);
    ~LeaseScope();
    LeaseScope(const LeaseScope&) = delete;

  private:
    Context& ctx_;
    Lease lease_;
};

// Holds a unit's gradient buffers for its scope; reduce() ends them well, the destructor alone abandons them.
class GradScope {
  public:
    GradScope(Context& ctx, LayerStore& store, int unit);
    ~GradScope();
    GradScope(const GradScope&) = delete;
    void reduce() && ;

  private:
    Context& ctx_;
    GradLease lease_;
};

}  // namespace tandem
