#include "tools/session/folder/metrics.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <sstream>

#include "models/io/files.h"
#include "runtime/json.h"

namespace tandem {

namespace {

Json parsed(const std::string& text) {
    auto json = Json::parse(text);
    return std::holds_alternative<Json>(json) ? std::get<Json>(std::move(json)) : Json();
}

// Without what a crash left behind the last whole one.
std::vector<std::string> lines_of(const std::filesystem::path& file) {
    std::vector<std::string> lines;
    if (!std::filesystem::exists(file)) return lines;
    std::istringstream in(read_file(file));
    for (std::string text; std::getline(in, text) && !in.eof();) {
        const Json line = parsed(text);
        const Json* at = line.find("step");
        if (!at || at->kind() != Json::Kind::integer) break;
        lines.push_back(text);
    }
    return lines;
}

}  // namespace

Metrics::Metrics(const std::filesystem::path& file, std::int64_t step, const std::vector<std::string>& unwritten) {
    std::vector<std::string> lines = lines_of(file);
    lines.insert(lines.end(), unwritten.begin(), unwritten.end());
    std::string kept;
    for (const std::string& text : lines) {
        const Json line = parsed(text);
        std::int64_t at = line.at("step").integer();
        if (at > step) continue;
        kept += text + "\n";
        if (line.find("eval_loss")) last_evaluation_ = at;
    }
    write_file(file, kept);
    file_ = ::open(file.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
}

Metrics::~Metrics() {
    if (file_ >= 0) ::close(file_);
}

// A step that was reported is on file. Half a line is cut when the file is read again.
void Metrics::line(const std::string& text) {
    std::string rest = text + "\n";
    while (unwritten_.empty() && !rest.empty()) {
        ssize_t n = ::write(file_, rest.data(), rest.size());
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) break;
        rest.erase(0, std::size_t(n));
    }
    if (!rest.empty()) unwritten_.push_back(text);
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
