#include <fmt/core.h>

#include <cmath>

#include "models/llama/first_bad.h"
#include "models/train/evaluate.h"
#include "tools/commands.h"
#include "tools/demo.h"
#include "tools/opening.h"
#include "tools/log.h"
#include "tools/options/eval_options.h"
#include "tools/session/feed.h"

namespace tandem {

namespace {

double mean(ModelRank& r, const std::vector<HostBatch>& batches, std::int64_t supervised) {
    return mean_loss(r.context(), r.llama, r.store, r.rank.collective(), batches, supervised);
}

std::string bad_output(ModelRank& r, const std::vector<HostBatch>& batches) {
    return name_of_output(r.llama.params,
                          first_bad_unit(r.context(), r.llama, r.store, r.rank.collective(), batches));
}

Feed feed_of(const Dataset& data, const ModelRecipe& recipe) {
    return Feed(data, {{recipe.gpus.world_size(), recipe.batch_size, 1}, Packing::no, recipe.context_length, 0,
                       Shuffle::no});
}

}  // namespace

int eval(CommandLine& line) {
    EvalOptions o;
    OptionSet set("eval", "Loss and perplexity of a data set.");
    if (read_options(o, set, line) == OptionSet::Parsed::help) return print_help(set);
    find_demo(o);
    const Model model = open_model(o);
    const std::optional<Adapter> adapter = open_adapter(o.adapter);
    const Dataset data = read_dataset(data_place(o.dataset), model.text_tools(),
                                      {o.context_length, model.config.vocab, o.truncate, o.dataset_samples});
    say_unused_keys(data);
    check_window(model, data.largest().length, "a sample");
    const Feed feed = feed_of(data, o);
    LoadedModel loaded(o, model, adapter ? &*adapter : nullptr, [&](ModelRank& r, const ModelRecipe& with) {
        const HostBatch largest = feed_of(data, with).largest();
        mean(r, {largest}, 1);
        bad_output(r, {largest});
    });
    load_model(loaded, o, model, smaller_evaluation(o));
    double loss = 0;
    loaded.run([&](ModelRank& r) {
        const std::vector<HostBatch> batches = feed.once(r.context().rank());
        const double all = mean(r, batches, feed.supervised());
        if (!std::isfinite(all))
            throw NotFinite(fmt::format("the loss is not finite (the first bad output is that of {}); use {} fp32, or "
                                        "another model or adapter",
                                        bad_output(r, batches), setting("precision")));
        if (r.context().rank() == 0) loss = all;
    });
    const double perplexity = std::exp(loss);
    const std::int64_t tokens = feed.supervised();
    if (o.json) print_line(Json(Json::Object{{"loss", loss}, {"perplexity", perplexity}, {"tokens", tokens}}).text());
    else
        print_line(
            fmt::format("loss {:.6f}  perplexity {:.4f}  over {} supervised tokens", loss, perplexity, tokens));
    return 0;
}

}  // namespace tandem
