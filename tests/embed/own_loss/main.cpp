// A training loop with a loss of its own, label smoothing (Szegedy et al., 2016), and a schedule of its own, a warm-up
// and a linear decay: demo/data.jsonl into the model in demo/model.
#include <tandem/tandem.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

using namespace tandem;

// Of each row: -sum_i q_i log softmax(logits)_i, q being `smoothing` spread over all tokens and the rest on the target.
void smoothed(const LossRows& rows, double smoothing) {
    const auto vocab = std::size_t(rows.vocab);
    for (std::size_t r = 0; r < rows.targets.size(); r++) {
        const std::span<const float> logits = rows.logits.subspan(r * vocab, vocab);
        const double largest = *std::max_element(logits.begin(), logits.end());
        double sum = 0, loss = 0;
        for (float x : logits) sum += std::exp(x - largest);
        for (std::size_t i = 0; i < vocab; i++) {
            const double log_p = logits[i] - largest - std::log(sum);
            const double q = smoothing / double(vocab) + (i == std::size_t(rows.targets[r]) ? 1 - smoothing : 0);
            loss -= q * log_p;
            rows.dlogits[r * vocab + i] = float(rows.scale * (std::exp(log_p) - q));
        }
        rows.losses[r] = loss;
    }
}

double learning_rate(std::int64_t step, std::int64_t steps) {
    constexpr std::int64_t warm_up = 5;
    return 2e-3 * std::min(double(step + 1) / warm_up, double(steps - step) / double(steps - warm_up));
}

struct Trained {
    std::vector<double> losses;
    double held_back;  // cross-entropy, whatever was trained on
};
Trained train(const Recipe& recipe, const RowLoss& loss) {
    FineTune tune(recipe);
    if (loss) tune.use_loss(loss);
    tune.start();
    Trained result{{}, tune.evaluate()};
    std::printf("held back %.3f", result.held_back);
    while (tune.steps() < tune.total_steps())
        result.losses.push_back(tune.step(learning_rate(tune.steps(), tune.total_steps())).loss);
    result.held_back = tune.evaluate();
    std::printf(", after %d steps %.3f\n", int(tune.steps()), result.held_back);
    return result;
}

int main() {
    Recipe recipe;
    recipe.model = "demo/model";
    recipe.dataset = "demo/data.jsonl";
    recipe.eval_dataset = "demo/held_back.jsonl";
    recipe.gpus = Placement::cpu(2);
    recipe.context_length = 128;
    recipe.batch_size = 4;
    recipe.max_steps = 25;
    const Trained built_in = train(recipe, {}), same = train(recipe, cross_entropy);
    const Trained smooth = train(recipe, [](const LossRows& rows) { smoothed(rows, 0.1); });
    return built_in.losses == same.losses && built_in.held_back == same.held_back && smooth.held_back < 1 ? 0 : 1;
}
