#include <fmt/core.h>

#include <map>

#include "models/io/find_model.h"
#include "tools/commands.h"
#include "tools/console.h"
#include "tools/demo.h"
#include "tools/options/plan_options.h"
#include "tools/session/machine.h"
#include "tools/session/train_plan.h"

namespace tandem {

namespace {

// A step's samples, each as long as the context.
Dataset longest_samples(const Recipe& r) {
    const std::vector<std::int32_t> ids(std::size_t(r.context_length), 0);
    Dataset data;
    for (std::int64_t i = 0; i < feed_options(r).shape.samples(); i++) data.append({ids, ids});
    return data;
}

Json json_of_rank(const MemoryNeed& need, std::size_t rank) {
    const MemoryPlan &plan = need.plans[rank].device, &host = need.plans[rank].host;
    Json::Object categories, largest;
    for (std::size_t c = 0; c < category_count; c++)
        if (plan.ledger.peak[c]) categories.emplace_back(std::string(name_of(Category(c))), plan.ledger.peak[c]);
    for (const auto& [name, bytes] : largest_of_rank(need, rank)) largest.emplace_back(name, bytes);
    return Json::Object{{"device", need.cards.empty() ? Json("cpu") : Json(need.cards[rank])},
                        {"bytes", plan.slab_bytes()},
                        {"host_bytes", host.slab_bytes()},
                        {"peak", std::move(categories)},
                        {"largest", std::move(largest)}};
}

Json json_of(const MemoryNeed& need) {
    Json::Array ranks;
    for (std::size_t r = 0; r < need.plans.size(); r++) ranks.push_back(json_of_rank(need, r));
    return Json::Object{{"ranks", std::move(ranks)},
                        {"host",
                         Json::Object{{"bytes", need.host(HostLimit::Of::resident)},
                                      {"pinned", need.host(HostLimit::Of::pinned)},
                                      {"weights", need.host_weights},
                                      {"loading", Json(need.loading)},
                                      {"saving", Json(need.saving)}}}};
}

std::string text_of(const MemoryNeed& need, const Room& room) {
    std::string text = memory_table(need, room) + "\n[Largest] of rank 0, the most alive at once\n";
    for (const auto& [name, bytes] : largest_of_rank(need, 0))
        text += fmt::format("  {:<28} {:>12}\n", name, megabytes(bytes));
    return text;
}

// Of each memory that has a limit, what is left of it.
std::string text_of_left(const MemoryNeed& need, const Room& room) {
    std::string text;
    auto add = [&](const std::string& memory, std::size_t needed, std::size_t limit) {
        text += text.empty() ? "it fits: " : ", ";
        text += fmt::format("{} of {} to spare", size_text(limit - needed), memory);
    };
    if (const HostLimit* host = room.tightest(HostLimit::Of::resident))
        add("host memory", need.host(HostLimit::Of::resident), host->bytes);
    std::map<int, std::size_t> on_card;
    for (std::size_t r = 0; r < need.cards.size(); r++) {
        const std::size_t bytes = need.plans[r].device.slab_bytes();
        on_card[need.cards[r]] += bytes;
        if (room.rank_on_card) add(fmt::format("card {} for rank {}", need.cards[r], r), bytes, *room.rank_on_card);
    }
    for (const auto& [ordinal, bytes] : on_card)
        if (const auto card = room.cards.find(ordinal); card != room.cards.end())
            add(fmt::format("what is free of card {}", ordinal), bytes, card->second.free);
    return text.empty() ? "no limit is known" : text;
}

int say_json(const MemoryNeed& need, const std::string& refusal) {
    Json all = json_of(need);
    all["fits"] = refusal.empty();
    if (!refusal.empty()) all["refusal"] = refusal;
    print_line(all.text());
    return refusal.empty() ? 0 : does_not_fit;
}

}  // namespace

int say_plan(TrainOptions& o, const OptionSet& set, PlanAs as) {
    find_demo(o);
    MakeData data;
    if (o.dataset.empty()) {
        data = [&](const Model&) { return longest_samples(o); };
        if (find_alias(o.model) && !set.given("weights")) o.weights = Weights::random;  // its shape is all that counts
    }
    const Opened opened = open_recipe(o, set, data, Devices::anywhere);
    for (const std::string& note : opened.notes) log_line(note);
    const RankSetup setup{o, opened, opened.params, opened.data, opened.eval_data ? &*opened.eval_data : nullptr};
    const Room room = room_of(o);
    MemoryNeed need = plan_training(setup).memory;
    const std::string elsewhere = settle_places(o, setup, need, room);
    if (!elsewhere.empty()) need = plan_training(setup).memory;
    if (as == PlanAs::text) print_text(text_of(need, room));
    if (as == PlanAs::text && !elsewhere.empty()) print_line(worded("so that it fits: " + elsewhere, OptionSet::flag));
    try {
        require_room(setup, need, room, Begin::fresh);
    } catch (const DoesNotFit& e) {
        if (as == PlanAs::text) throw;
        return say_json(need, e.message());
    }
    if (as == PlanAs::json) return say_json(need, "");
    print_line(text_of_left(need, room));
    return 0;
}

int plan(CommandLine& line) {
    PlanOptions o;
    OptionSet set("plan", "What fine-tuning a model would take, and whether there is as much.");
    if (read_options(o, set, line) == OptionSet::Parsed::help) return print_help(set);
    return say_plan(o, set, o.json ? PlanAs::json : PlanAs::text);
}

}  // namespace tandem
