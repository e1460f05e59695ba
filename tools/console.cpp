#include "tools/console.h"

#include <fmt/core.h>

#include <unistd.h>

#include <algorithm>
#include <cmath>

namespace tandem {

namespace {

constexpr int curve_rows = 10, curve_columns = 60;

std::string duration(double seconds) {
    if (seconds < 100) return fmt::format("{:.1f} s", seconds);
    if (seconds < 6000) return fmt::format("{:.1f} min", seconds / 60);
    return fmt::format("{:.1f} h", seconds / 3600);
}

std::string step_text(const StepMetrics& m, std::int64_t total) {
    return fmt::format("[T] step {} [{:.1f}%] | time {:.2f} s | norm {:.4f} | loss {:.4f} | tok/s {:.0f}", m.step,
                       100.0 * double(m.step) / double(total), m.seconds, m.grad_norm, m.loss,
                       double(m.tokens) / m.seconds);
}

}  // namespace

std::string megabytes(std::size_t bytes) { return fmt::format("{:.1f} MB", double(bytes) / 1e6); }

Console::Console(StepLog log, Stdout out) : terminal_(isatty(STDERR_FILENO)), log_(log), out_(out) {}

Console::~Console() { clear_bar(); }

void Console::clear_bar() {
    if (bar_shown_) write_whole(STDERR_FILENO, "\r\033[K");
    bar_shown_ = false;
}

void Console::line(const std::string& text) {
    clear_bar();
    log_line(text);
}

void Console::coloured(const std::string& text) {
    clear_bar();
    write_whole(STDERR_FILENO, text + "\n");
}

void Console::block(const std::string& title, const std::vector<std::pair<std::string, std::string>>& rows) {
    line("[" + title + "]");
    std::size_t width = 0;
    for (const auto& [name, value] : rows) width = std::max(width, name.size());
    for (const auto& [name, value] : rows) line(fmt::format("  {:<{}}  {}", name, width, value));
}

void Console::step(const StepMetrics& m, std::int64_t total_steps) {
    losses_.push_back(m.loss);
    if (first_step_ < 0) first_step_ = m.step;
    if (log_ == StepLog::lines || !terminal_) {
        if (log_ == StepLog::bar) return line(step_text(m, total_steps));
        if (!write_whole(STDOUT_FILENO, step_text(m, total_steps) + "\n"))
            lost_steps_ = out_ == Stdout::open;
        return;
    }
    double spent = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
    double left = spent / double(m.step - first_step_ + 1) * double(total_steps - m.step);
    int width = 24, full = int(double(width) * double(m.step) / double(total_steps));
    std::string bar;
    for (int i = 0; i < width; i++) bar += i < full ? "█" : "░";
    write_whole(STDERR_FILENO,
                fmt::format("\r\033[K{} {}/{} | loss {:.4f} | norm {:.3f} | {:.0f} tok/s | {} left", bar, m.step,
                            total_steps, m.loss, m.grad_norm, double(m.tokens) / m.seconds, duration(left)));
    bar_shown_ = true;
}

void Console::evaluation(std::int64_t step, double loss) {
    line(fmt::format("[V] step {} | loss {:.4f} | perplexity {:.3f}", step, loss, std::exp(loss)));
}

namespace {

// Rows: categories; a pair of columns (planned, seen) a rank.
std::string memory_row(const std::string& name, std::span<const std::string> cells) {
    std::string row = fmt::format("  {:<12}", name);
    for (const std::string& c : cells) row += fmt::format("  {:>12}", c);
    return row;
}

// A cell for each rank; nothing where all are 0.
std::string bytes_row(const std::string& name, std::span<const std::size_t> bytes) {
    if (std::count(bytes.begin(), bytes.end(), std::size_t(0)) == std::ptrdiff_t(bytes.size())) return "";
    std::vector<std::string> cells;
    for (std::size_t b : bytes) cells.push_back(megabytes(b));
    return memory_row(name, cells) + "\n";
}

std::string host_weights_row(const MemoryNeed& need) {
    if (!need.host_weights) return "";
    return fmt::format("  {:<12}  {:>12}  once for all ranks{}\n", "host weights", megabytes(need.host_weights),
                       need.cards.empty() ? "" : ", page-locked");
}

std::string host_row(const MemoryNeed& need, const Room& room) {
    std::string row =
        fmt::format("  {:<12}  {:>12}  in all", "host", megabytes(need.host(HostLimit::Of::resident)));
    const HostLimit* limit = room.tightest(HostLimit::Of::resident);
    return limit ? row + fmt::format(" of {} ({})", megabytes(limit->bytes), limit->source) : row;
}

}  // namespace

std::string memory_table(const MemoryNeed& need, const Room& room) {
    std::vector<std::string> names;
    for (std::size_t r = 0; r < need.plans.size(); r++) names.push_back(fmt::format("rank {}", r));
    std::string table = memory_row("", names) + "\n";
    auto add = [&](const std::string& name, const std::function<std::size_t(const RankPlan&)>& bytes) {
        std::vector<std::size_t> row;
        for (const RankPlan& p : need.plans) row.push_back(bytes(p));
        table += bytes_row(name, row);
    };
    for (std::size_t c = 0; c < category_count; c++)
        add(std::string(name_of(Category(c))), [&](const RankPlan& p) { return p.device.ledger.peak[c]; });
    add("slab", [](const RankPlan& p) { return p.device.slab_bytes(); });
    add("on the host", [](const RankPlan& p) { return p.host.slab_bytes(); });
    table += bytes_row("loading", need.loading) + bytes_row("saving", need.saving) + host_weights_row(need);
    return "[Memory] planned, the most alive at once\n" + table + host_row(need, room);
}

void Console::planned_memory(const MemoryNeed& need, const Room& room) { line(memory_table(need, room)); }

void Console::memory(const MemoryNeed& need, std::span<const Ledger> seen) {
    const std::vector<RankPlan>& plans = need.plans;
    line("[Memory] peak of each rank, planned and seen");
    std::vector<std::string> cells;
    for (std::size_t r = 0; r < plans.size(); r++)
        cells.insert(cells.end(), {fmt::format("{} planned", r), fmt::format("{} seen", r)});
    line(memory_row("rank", cells));
    for (std::size_t c = 0; c < category_count; c++) {
        cells.clear();
        std::size_t any = 0;
        for (std::size_t r = 0; r < plans.size(); r++) {
            any += plans[r].device.ledger.peak[c];
            cells.insert(cells.end(), {megabytes(plans[r].device.ledger.peak[c]), megabytes(seen[r].peak[c])});
        }
        if (any) line(memory_row(std::string(name_of(Category(c))), cells));
    }
    cells.clear();
    for (const RankPlan& p : plans) cells.insert(cells.end(), {megabytes(p.device.slab_bytes()), ""});
    line(memory_row("slab", cells));
    if (need.host_weights)
        line(memory_row("host weights", std::vector<std::string>{megabytes(need.host_weights)}));
}

void Console::loss_curve() {
    if (losses_.size() < 2) return;
    int columns = std::min<int>(curve_columns, int(losses_.size()));
    std::vector<double> means;
    for (int c = 0; c < columns; c++) {
        std::size_t begin = losses_.size() * std::size_t(c) / std::size_t(columns);
        std::size_t end = losses_.size() * std::size_t(c + 1) / std::size_t(columns);
        double sum = 0;
        for (std::size_t i = begin; i < end; i++) sum += losses_[i];
        means.push_back(sum / double(end - begin));
    }
    double high = *std::max_element(means.begin(), means.end()), low = *std::min_element(means.begin(), means.end());
    double step = std::max(high - low, 1e-9) / (curve_rows - 1);
    line("[Loss]");
    for (int row = 0; row < curve_rows; row++) {
        std::string text;
        for (double m : means) text += std::lround((high - m) / step) == row ? "*" : " ";
        line(fmt::format("  {:8.4f} |{}", high - step * row, text));
    }
    line(fmt::format("           +{:-<{}}> step {}", "", columns, first_step_ + std::int64_t(losses_.size()) - 1));
}

}  // namespace tandem
