// What a run says on stderr: start-up blocks, steps, evaluations, samples, the table of memory. A progress bar only on
// a terminal; colour only there and without NO_COLOR.
#pragma once
#include <chrono>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "tools/log.h"
#include "tools/session/room/room.h"
#include "tools/session/run.h"

namespace tandem {

enum class StepLog { bar, lines };  // a bar turns into lines where stderr is no terminal

class Console final : public RunEvents {
  public:
    // Step lines as StepLog::lines go to stdout, everything else to stderr. Neither fails: lost_steps() tells
    // afterwards whether a stdout that somebody reads lost some.
    Console(StepLog log, Stdout out);
    ~Console() override;
    Console(const Console&) = delete;

    void line(const std::string& text) override;
    void coloured(const std::string& text);  // that is printable but for colours of its own
    // [Title] with a line for each name and value.
    void block(const std::string& title, const std::vector<std::pair<std::string, std::string>>& rows);
    void step(const StepMetrics& m, std::int64_t total_steps) override;
    void evaluation(std::int64_t step, double loss) override;
    void planned_memory(const MemoryNeed& need, const Room& room);
    void memory(const MemoryNeed& need, std::span<const Ledger> seen);
    bool lost_steps() const { return lost_steps_; }
    // The losses so far, as a curve of characters.
    void loss_curve();

  private:
    void clear_bar();
    bool terminal_;
    StepLog log_;
    Stdout out_;
    bool bar_shown_ = false, lost_steps_ = false;
    std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
    std::int64_t first_step_ = -1;
    std::vector<double> losses_;
};

std::string megabytes(std::size_t bytes);  // "12.3 MB"
std::string memory_table(const MemoryNeed& need, const Room& room);

}  // namespace tandem
