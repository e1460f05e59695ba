#include <fmt/core.h>

#include <cmath>

#include "models/llama/first_bad.h"
#include "models/train/evaluate.h"
#include "tools/commands.h"
#include "tools/data_feed.h"
#include "tools/demo.h"
#include "tools/inference.h"
#include "tools/log.h"
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
    check_window(model, data.largest().length, "a sample");
    auto feed_of = [](const Dataset& from, const ModelOptions& with) {
        return DataFeed(from, {{std::int64_t(with.gpus.size()), with.batch_size, 1}, Packing::no, with.context_length,
                               0, Shuffle::no});
    };
    DataFeed feed = feed_of(data, o);
    double loss = 0;
    auto mean = [&](InferenceRank& r, const std::vector<HostBatch>& batches) {
        return mean_loss(r.rank.context(), r.llama, r.store, r.rank.collective(), batches, feed.supervised());
    };
    auto bad_output = [&](InferenceRank& r, const std::vector<HostBatch>& batches) {
        int unit = first_bad_unit(r.rank.context(), r.llama, r.store, r.rank.collective(), batches);
        return name_of_output(r.llama.params, unit);
    };
    Inference what;
    what.largest = [&](InferenceRank& r, const ModelOptions& with) {
        const HostBatch largest = feed_of(data, with).largest();
        mean(r, {largest});
        bad_output(r, {largest});
    };
    what.body = [&](InferenceRank& r) {
        std::vector<HostBatch> batches = feed.once(r.rank.context().rank());
        double all = mean(r, batches);
        if (!std::isfinite(all))
            throw NotFinite(fmt::format("the loss is not finite (the first bad output is that of {}); use --precision "
                                        "fp32, or another model or adapter",
                                        bad_output(r, batches)));
        if (r.rank.context().rank() == 0) loss = all;
    };
    what.smaller = smaller_evaluation(o);
    run_inference(o, model, adapter ? &*adapter : nullptr, what);
    const double perplexity = std::exp(loss);
    const std::int64_t tokens = feed.supervised();
    if (o.json) print_line(Json(Json::Object{{"loss", loss}, {"perplexity", perplexity}, {"tokens", tokens}}).text());
    else
        print_line(
            fmt::format("loss {:.6f}  perplexity {:.4f}  over {} supervised tokens", loss, perplexity, tokens));
    return 0;
}

}  // namespace tandem
