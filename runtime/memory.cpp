#include "runtime/memory.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstdlib>
#include <new>

namespace tandem {

std::string_view name_of(Category c) {
    constexpr std::string_view names[] = {"weights", "gather", "masters", "gradients", "optimizer", "activations",
                                          "workspace", "data"};
    return names[std::size_t(c)];
}

void Ledger::add(Category c, std::size_t bytes) {
    std::size_t& live = now[std::size_t(c)];
    live += bytes;
    peak[std::size_t(c)] = std::max(peak[std::size_t(c)], live);
}

std::shared_ptr<Block> Memory::allocate(std::size_t bytes, Category category, std::string_view name) {
    Block block = place(bytes, category, name);
    block.id = ++allocations_;
    ledger_.add(category, bytes);
    note_part(block.data, bytes);
    return {new Block(block), [this](Block* b) {
                ledger_.remove(b->category, b->bytes);
                release(*b);
                delete b;
            }};
}

namespace {

class HeapMemory final : public Memory {
  public:
    void begin(std::string_view) override {}
    void end() override {}

  private:
    Block place(std::size_t bytes, Category category, std::string_view name) override {
        void* data = std::aligned_alloc(memory_alignment, align_up(std::max<std::size_t>(bytes, 1)));
        if (!data)
            throw Error(fmt::format("[memory] no {} bytes left for {}; use a smaller batch or context", bytes, name));
        return {static_cast<std::byte*>(data), bytes, category};
    }
    void release(const Block& block) override { std::free(block.data); }
};

class SlabMemory final : public Memory {
  public:
    SlabMemory(const MemoryPlan& plan, std::byte* slab) : plan_(plan), slab_(slab), phase_(&plan_.persistent) {}

    void begin(std::string_view name) override {
        for (MemoryPlan::Phase& p : plan_.phases)
            if (p.name == name) {
                if (phase_ == &plan_.persistent) persistent_made_ = next_;
                phase_ = &p;
                next_ = 0;
                return;
            }
        throw Error(fmt::format("[memory] phase {} was not planned", name));
    }
    void end() override {
        phase_ = &plan_.persistent;
        next_ = persistent_made_;
    }

  private:
    Block place(std::size_t bytes, Category category, std::string_view name) override {
        if (next_ >= phase_->allocations.size())
            throw Error(fmt::format("[memory] {} asks for {} ({} bytes) after the last planned allocation",
                                    phase_->name, name, bytes));
        const MemoryPlan::Allocation& a = phase_->allocations[next_++];
        if (a.name != name || bytes > a.bytes || a.category != category)
            throw Error(fmt::format("[memory] {} asks for {} bytes of {}, the plan has {} bytes of {} there",
                                    phase_->name, bytes, name, a.bytes, a.name));
        return {slab_ + a.offset, bytes, category};
    }
    void release(const Block&) override {}

    MemoryPlan plan_;
    std::byte* slab_;
    MemoryPlan::Phase* phase_;
    std::size_t next_ = 0, persistent_made_ = 0;
};

}  // namespace

std::unique_ptr<Memory> make_heap_memory() { return std::make_unique<HeapMemory>(); }

std::unique_ptr<Memory> make_slab_memory(const MemoryPlan& plan, std::byte* slab) {
    return std::make_unique<SlabMemory>(plan, slab);
}

}  // namespace tandem
