// A fine-tune with 4-bit weights and LoRA on two CPU ranks: demo/data.jsonl into the model in demo/model.
#include <tandem/tandem.h>

#include <cstdio>

int main() {
    tandem::Recipe recipe;
    recipe.model = "demo/model";
    recipe.dataset = "demo/data.jsonl";
    recipe.eval_dataset = "demo/held_back.jsonl";
    recipe.gpus = tandem::Placement::cpu(2);
    recipe.context_length = 128;
    recipe.batch_size = 4;
    recipe.lora_rank = 16;
    recipe.lora_alpha = 32;
    recipe.lr = 2e-3;
    try {
        tandem::FineTune tune(recipe);
        tune.start();
        const double before = tune.evaluate();
        while (tune.steps() < tune.total_steps()) {
            const tandem::FineTune::Step step = tune.step();
            if (step.step % 10 == 0) std::printf("step %d: loss %.3f\n", int(step.step), step.loss);
        }
        const double after = tune.evaluate();
        std::printf("held back: loss %.3f, then %.3f\n", before, after);
        tune.save("adapter");
        return after < before - 0.5 ? 0 : 1;
    } catch (const tandem::Error& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
}
