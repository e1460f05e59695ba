#include "tools/metrics.h"

#include <fmt/core.h>

#include <cmath>
#include <sstream>

#include "models/io/files.h"
#include "runtime/json.h"

namespace tandem {

namespace {

// What a crash left behind the last whole line is cut as well.
std::string lines_until(const std::filesystem::path& file, std::int64_t step) {
    if (!std::filesystem::exists(file)) return "";
    std::istringstream in(read_file(file));
    std::string kept, text;
    while (std::getline(in, text)) {
        auto parsed = Json::parse(text);
        const Json* line = std::get_if<Json>(&parsed);
        const Json* at = line ? line->find("step") : nullptr;
        if (!at || at->kind() != Json::Kind::integer || in.eof()) break;
        if (at->integer() <= step) kept += text + "\n";
    }
    return kept;
}

}  // namespace

Metrics::Metrics(const std::filesystem::path& file, std::int64_t step) : path_(file) {
    write_file(file, lines_until(file, step));
    out_.open(file, std::ios::app);
}

void Metrics::line(const std::string& text) {
    out_ << text << std::endl;  // a step that was reported is on file
    if (!out_) throw Error(fmt::format("{}: cannot be written; is the disk full?", path_.string()));
}

void Metrics::add(const StepMetrics& m) {
    Json j = Json::Object{{"step", m.step}, {"epoch", m.epoch}, {"loss", m.loss},
                          {"grad_norm", m.grad_norm}, {"lr", m.lr}, {"tokens", m.tokens},
                          {"supervised_tokens", m.supervised_tokens}, {"seconds", m.seconds},
                          {"tokens_per_second", double(m.tokens) / m.seconds}};
    line(j.text());
}

void Metrics::add_evaluation(std::int64_t step, double loss) {
    line(Json(Json::Object{{"step", step}, {"eval_loss", loss}, {"perplexity", std::exp(loss)}}).text());
}

}  // namespace tandem
