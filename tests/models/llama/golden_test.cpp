// The whole graph against transformers, PEFT and bitsandbytes, in fp32, at one rank and at two.
#include <doctest/doctest.h>

#include <cmath>

#include "tests/safetensors_lite.h"
#include "tests/support/golden_model.h"

using namespace tandem;
using namespace tandem::test;

namespace {

const std::filesystem::path golden = TANDEM_TEST_DATA;

// What two programs in fp32 may differ by (tests/golden's own figures: fp32's rounding, 6e-8, grown by sums over a few
// hundred products and a few layers).
constexpr double logits_tolerance = 2e-5;     // of the largest
constexpr double loss_tolerance = 1e-5;       // absolute
constexpr double gradient_tolerance = 1e-4;   // norm of the difference over the norm

double norm(const std::vector<double>& v) {
    double sum = 0;
    for (double x : v) sum += x * x;
    return std::sqrt(sum);
}

double largest(const std::vector<double>& v) {
    double most = 0;
    for (double x : v) most = std::max(most, std::abs(x));
    return most;
}

std::vector<double> difference(const std::vector<double>& a, const std::vector<float>& b) {
    REQUIRE(a.size() == b.size());
    std::vector<double> d(a.size());
    for (std::size_t i = 0; i < a.size(); i++) d[i] = a[i] - double(b[i]);
    return d;
}

std::vector<double> doubles(const std::vector<float>& v) { return {v.begin(), v.end()}; }

GoldenBatch batch_of(const SafetensorsLite& file, const char* labels) {
    std::vector<std::int64_t> shape = file.shape("input_ids");
    auto narrow = [](const std::vector<std::int64_t>& v) { return std::vector<std::int32_t>(v.begin(), v.end()); };
    return {shape[0], shape[1], narrow(file.get<std::int64_t>("input_ids")), narrow(file.get<std::int64_t>(labels))};
}

void check_largest(const std::vector<double>& values, const SafetensorsLite& file, const std::string& name) {
    CAPTURE(name);
    std::vector<float> expected = file.get<float>(name);
    CHECK(largest(difference(values, expected)) <= logits_tolerance * largest(doubles(expected)));
}

void check_gradients(const GoldenOutput& out, const SafetensorsLite& file, auto reference_name) {
    for (const auto& [name, values] : out.gradients) {
        CAPTURE(name);
        std::vector<float> expected = file.get<float>("grad." + reference_name(name));
        CHECK(norm(difference(values, expected)) <= gradient_tolerance * norm(doubles(expected)));
    }
    std::size_t references = 0;
    for (const std::string& name : file.names()) references += name.starts_with("grad.");
    CHECK(out.gradients.size() == references);
    CHECK(references > 0);
}

// The loss that logits give, each token predicting the next, in double.
double loss_of(const std::vector<float>& logits, const GoldenBatch& batch) {
    std::size_t vocab = logits.size() / batch.ids.size();
    double sum = 0, count = 0;
    for (std::size_t t = 0; t + 1 < batch.ids.size(); t++) {
        if ((t + 1) % std::size_t(batch.length) == 0) continue;
        double total = 0;
        for (std::size_t v = 0; v < vocab; v++) total += std::exp(double(logits[t * vocab + v]));
        sum += std::log(total) - double(logits[t * vocab + std::size_t(batch.ids[t + 1])]);
        count++;
    }
    return sum / count;
}

}  // namespace

TEST_CASE("golden: logits, hidden states, loss and every gradient are transformers'") {
    for (std::string name : {"llama2-mha", "llama3-gqa", "qwen2-bias"})
        for (int ranks : {1, 2}) {
            CAPTURE(name);
            CAPTURE(ranks);
            SafetensorsLite file((golden / "reference" / (name + ".safetensors")).string());
            GoldenModel model{golden / "models" / name};
            model.rope = GoldenModel::Rope::from_bf16;
            GoldenOutput out = GoldenRun(model, ranks).run(batch_of(file, "labels"));
            check_largest(out.logits, file, "logits");
            for (std::size_t i = 0; i < out.hidden.size(); i++)
                check_largest(out.hidden[i], file, "hidden." + std::to_string(i));
            CHECK(!file.has("hidden." + std::to_string(out.hidden.size())));
            CHECK(std::abs(out.loss - double(file.get<float>("loss")[0])) <= loss_tolerance);
            check_gradients(out, file, [](const std::string& n) { return n; });
        }
}

TEST_CASE("golden: logits, loss and every gradient of an adapter are PEFT's") {
    struct Case {
        std::string name, model;
        TrainType type;
    };
    for (const Case& c : {Case{"lora-llama2", "llama2-mha", TrainType::lora},
                          Case{"lora-llama2-ragged-accum", "llama2-mha", TrainType::lora},
                          Case{"rslora-llama3-attention", "llama3-gqa", TrainType::lora},
                          Case{"qlora-nf4-llama2", "llama2-mha", TrainType::qlora},
                          Case{"qlora-nf4-llama3", "llama3-gqa", TrainType::qlora}})
        for (int ranks : {1, 2}) {
            CAPTURE(c.name);
            CAPTURE(ranks);
            std::filesystem::path folder = golden / "adapters" / c.name;
            SafetensorsLite file((folder / "reference.safetensors").string());
            GoldenRun run({golden / "models" / c.model, c.type, folder / "init"}, ranks);
            GoldenOutput out = run.run(batch_of(file, "labels"));
            check_largest(out.logits, file, "logits");
            CHECK(std::abs(out.loss - double(file.get<float>("loss")[0])) <= loss_tolerance);
            check_gradients(out, file, [](std::string n) {  // "….lora_A.weight" is PEFT's "….lora_A.default.weight"
                return "base_model.model." + n.insert(n.rfind(".weight"), ".default");
            });
        }
}

TEST_CASE("golden: logits and loss of checkpoints that bitsandbytes wrote") {
    for (std::string name : {"llama2-mha-bnb-nf4-double", "llama2-mha-bnb-fp4"})
        for (int ranks : {1, 2}) {
            CAPTURE(name);
            CAPTURE(ranks);
            SafetensorsLite file((golden / "reference" / (name + ".safetensors")).string());
            GoldenBatch batch = batch_of(file, "input_ids");
            GoldenOutput out = GoldenRun({golden / "models" / name}, ranks).run(batch);
            check_largest(out.logits, file, "logits");
            CHECK(std::abs(out.loss - loss_of(file.get<float>("logits"), batch)) <= loss_tolerance);
        }
}
