#include "runtime/trace.h"

#include <fmt/core.h>

#include <algorithm>
#include <fstream>

#include "runtime/error.h"

namespace tandem {

void Trace::write(const std::filesystem::path& file) const {
    std::vector<Span> all = spans();
    Clock::time_point start = Clock::time_point::max();
    for (const Span& s : all) start = std::min(start, s.begin);
    auto microseconds = [](Clock::duration d) { return std::chrono::duration<double, std::micro>(d).count(); };
    std::ofstream out(file);
    out << "{\"traceEvents\":[";
    const char* comma = "\n";
    for (const Span& s : all) {
        out << comma
            << fmt::format("{{\"name\":\"{}\",\"ph\":\"X\",\"pid\":{},\"tid\":\"{}\",\"ts\":{:.3f},\"dur\":{:.3f}}}",
                           s.name, s.rank, s.lane, microseconds(s.begin - start), microseconds(s.end - s.begin));
        comma = ",\n";
    }
    out << "\n]}\n";
    out.close();
    if (!out) throw Error(fmt::format("[trace] cannot write {}; is the disk full?", file.string()));
}

}  // namespace tandem
