#include "tools/opening.h"

#include <fmt/core.h>

#include <chrono>

#include "tools/console.h"
#include "tools/session/machine.h"

namespace tandem {

void say_unused_keys(const Dataset& data) {
    if (const std::string unused = data.unused_keys(); !unused.empty()) log_line("[Dataset] not used: " + unused);
}

std::optional<Adapter> open_adapter(const std::optional<std::filesystem::path>& folder) {
    if (!folder) return std::nullopt;
    Adapter adapter = Adapter::open(*folder);
    if (std::string note = note_of(adapter); !note.empty()) log_line("[Adapter] " + note);
    return adapter;
}

LoadProgress loading_lines() {
    using Clock = std::chrono::steady_clock;
    return [begin = Clock::now(), said = Clock::now()](double share) mutable {
        const Clock::time_point now = Clock::now();
        if (now - said < std::chrono::seconds(10)) return;
        said = now;
        log_line(fmt::format("[Loading] {:.0f} % of the weights after {:.0f} s", 100 * share,
                             std::chrono::duration<double>(now - begin).count()));
    };
}

void load_model(LoadedModel& loaded, const ModelRecipe& recipe, const Model& model, const Changes& smaller) {
    for (const std::string& note : model.notes) log_line("[Model] " + note);
    const Room room = room_of(recipe);
    const std::string elsewhere = loaded.settle_places(room);
    Console(StepLog::lines, Stdout::open).planned_memory(loaded.memory(), room);
    if (!elsewhere.empty()) log_line("[Memory] so that it fits: " + elsewhere);
    loaded.require_room(room, smaller);
    loaded.start(loading_lines());
}

}  // namespace tandem
