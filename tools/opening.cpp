#include "tools/opening.h"

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

void load_model(LoadedModel& loaded, const ModelRecipe& recipe, const Model& model, const Changes& smaller) {
    for (const std::string& note : model.notes) log_line("[Model] " + note);
    const Room room = room_of(recipe);
    Console(StepLog::lines, Stdout::open).planned_memory(loaded.memory(), room);
    loaded.require_room(room, smaller);
    loaded.start();
}

}  // namespace tandem
