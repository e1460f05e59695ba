// Memory of a rank at one place. Every allocation has an owner category and a name. What a run needs is found by
// running one step on the plan device (PlanMemory), packed offline by lifetime, and then replayed from one slab
// (SlabMemory): no allocation after the first step. HeapMemory serves code that embeds ops without a plan.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/error.h"

namespace tandem {

enum class Place { device, host };

enum class Category { shard, gather, master, gradient, optimizer, activation, workspace, data };
inline constexpr std::size_t category_count = 8;
std::string_view name_of(Category c);

// Live bytes of each category now, and the most there ever were.
struct Ledger {
    std::array<std::size_t, category_count> now{}, peak{};
    void add(Category c, std::size_t bytes);
    void remove(Category c, std::size_t bytes) { now[std::size_t(c)] -= bytes; }
};

// Lives as long as someone holds it. data is null on the plan device.
struct Block {
    std::byte* data = nullptr;
    std::size_t bytes = 0;
    Category category{};
    int phase = -1;          // the memory's own, as is the next
    std::size_t ticket = 0;
    std::uint64_t id = 0;  // no other of this memory ever has it
};

struct MemoryPlan {
    struct Allocation {
        std::string name;
        Category category;
        std::size_t bytes, offset;
        int born, died;  // on the clock of the whole plan; died > born
    };
    struct Phase {
        std::string name;
        std::vector<Allocation> allocations;
        std::size_t bytes = 0;  // after packing
    };
    Phase persistent;           // made before the first phase, never freed
    std::vector<Phase> phases;  // they share the memory after the persistent part: each ends with all of its own freed
    Ledger ledger;              // the peaks that a run will have
    std::size_t slab_bytes() const;
    void pack();  // sets every offset: largest first, each at the lowest place free over its lifetime
};

// What a rank takes at each place. A CPU rank's device is the host: its plan of the host is empty.
struct RankPlan {
    MemoryPlan device;
    MemoryPlan host;  // page-locked
};

// Every allocation starts at a multiple of this many bytes (kernels and cuBLASLt choose by alignment).
inline constexpr std::size_t memory_alignment = 256;
constexpr std::size_t align_up(std::size_t bytes, std::size_t to = memory_alignment) {
    return (bytes + to - 1) / to * to;
}

class Memory {
  public:
    virtual ~Memory() = default;
    std::shared_ptr<Block> allocate(std::size_t bytes, Category category, std::string_view name);

    // Between begin and end lies one run of a phase ("train", "optimizer", "evaluate", "sample"): the same sequence of
    // names every time, sizes at most the planned ones. What is allocated outside is persistent.
    virtual void begin(std::string_view phase) = 0;
    virtual void end() = 0;
    // On the plan device: a block that was given back, and that no run will ask for.
    virtual void forget(const Block&) {}
    const Ledger& ledger() const { return ledger_; }

    // Called with every allocation from here on, and with each part of one that is used by itself (`note_part`): a
    // checker of stream order learns from it how far a pointer reaches.
    using Watch = std::function<void(const std::byte* data, std::size_t bytes)>;
    void watch(Watch watch) { watch_ = std::move(watch); }
    void note_part(const std::byte* data, std::size_t bytes) const {
        if (watch_ && data && bytes > 0) watch_(data, bytes);
    }

  protected:
    virtual Block place(std::size_t bytes, Category category, std::string_view name) = 0;
    virtual void release(const Block& block) = 0;

  private:
    Ledger ledger_;
    std::uint64_t allocations_ = 0;
    Watch watch_;
};

// Opens a phase of one memory for its scope.
class PhaseScope {
  public:
    PhaseScope(Memory& memory, std::string_view phase) : memory_(memory) { memory_.begin(phase); }
    ~PhaseScope() { memory_.end(); }
    PhaseScope(const PhaseScope&) = delete;

  private:
    Memory& memory_;
};

// Each allocation from the C heap.
std::unique_ptr<Memory> make_heap_memory();

// Records; plan() is complete once every phase has ended.
class PlanMemory final : public Memory {
  public:
    void begin(std::string_view phase) override;
    void end() override;
    void forget(const Block& block) override;
    MemoryPlan plan() const;  // packed

  private:
    Block place(std::size_t bytes, Category category, std::string_view name) override;
    void release(const Block& block) override;
    std::vector<MemoryPlan::Allocation>& list(int phase) {
        return (phase < 0 ? plan_.persistent : plan_.phases[std::size_t(phase)]).allocations;
    }
    static constexpr int unrecorded = -2;  // the phase of a block of one that was recorded before
    MemoryPlan plan_;
    int phase_ = -1;  // index in plan_.phases, or -1: persistent
    int clock_ = 0;
    bool again_ = false;  // this phase was recorded before
};

// Replays a plan from `slab`, plan.slab_bytes() bytes aligned to memory_alignment, which outlives it. A request that
// the plan does not hold is an Error that names it.
std::unique_ptr<Memory> make_slab_memory(const MemoryPlan& plan, std::byte* slab);

}  // namespace tandem
