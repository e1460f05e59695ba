#include <fmt/core.h>

#include <cmath>

#include "models/train/evaluate.h"
#include "tools/commands.h"
#include "tools/data_feed.h"
#include "tools/demo.h"
#include "tools/inference.h"
#include "tools/options/eval_options.h"

namespace tandem {

int eval(CommandLine& line) {
    EvalOptions o;
    OptionSet set("eval", "Loss and perplexity of a data set.");
    if (read_options(o, set, line) == OptionSet::Parsed::help) return print_help(set);
    Model model = open_model(o, o.chat_template);
    std::optional<Adapter> adapter;
    if (o.adapter) adapter = open_adapter(*o.adapter);
    Dataset data = read_dataset(data_file(o.dataset), model.text_tools(),
                                {o.context_length, model.config.vocab, o.truncate, o.dataset_samples});
    say_unused_keys(data);
    DataFeed feed(data,
                  {{std::int64_t(o.gpus.size()), o.batch_size, 1}, Packing::no, o.context_length, 0, Shuffle::no});
    double loss = 0;
    auto run = [&](InferenceRank& r, const std::vector<HostBatch>& batches) {
        Context& ctx = r.rank.context();
        double mean = mean_loss(ctx, r.llama, r.store, r.rank.collective(), batches, feed.supervised());
        if (ctx.rank() == 0) loss = mean;
    };
    run_inference(
        o, model, adapter ? &*adapter : nullptr, [&](InferenceRank& r) { run(r, {feed.largest()}); },
        [&](InferenceRank& r) { run(r, feed.once(r.rank.context().rank())); });
    if (o.json)
        fmt::print("{}\n", Json(Json::Object{{"loss", loss},
                                             {"perplexity", std::exp(loss)},
                                             {"tokens", feed.supervised()}})
                               .text());
    else
        fmt::print("loss {:.6f}  perplexity {:.4f}  over {} supervised tokens\n", loss, std::exp(loss),
                   feed.supervised());
    return 0;
}

}  // namespace tandem
