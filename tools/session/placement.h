// Where a run's ranks run: a device for each.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace tandem {

// Whether a recipe's devices must be this machine's; a plan can be made for others.
enum class Devices { here, anywhere };

class Placement {
  public:
    Placement() = default;  // every card; two CPU ranks where there is none
    static Placement cpu(int ranks);
    static Placement on_cards(std::vector<int> ordinals);  // a rank each; one may be named twice

    // "auto", "cpu,cpu", "0,1": false for a text that is none of these.
    static bool read(std::string_view text, Placement& placement);
    std::string text() const;

    bool is_automatic() const { return automatic_; }
    Placement resolved() const;  // with the devices of this machine, where it is automatic

    // Of a resolved one:
    int world_size() const { return int(devices_.size()); }
    bool is_on_cards() const { return !devices_.empty() && devices_.front() != cpu_device; }
    std::vector<int> cards() const;  // by rank; empty: CPU ranks
    std::string refusal() const;     // why ranks cannot run here; empty: they can
    std::string refusal_anywhere() const;  // why on no machine

    bool operator==(const Placement&) const = default;

  private:
    static constexpr int cpu_device = -1;
    bool automatic_ = true;
    std::vector<int> devices_;
};

}  // namespace tandem
