#include "tools/overlap.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

namespace tandem {

Overlap overlap(const Trace& trace) {
    Overlap o;
    for (const Trace::Span& s : trace.spans()) {
        double seconds = std::chrono::duration<double>(s.end - s.begin).count();
        bool wait = std::string_view(s.name) == "wait";
        if (std::string_view(s.lane) == "gather" && !wait) o.gathering += seconds;
        if (std::string_view(s.lane) == "compute" && wait) o.waiting += seconds;
    }
    return o;
}

std::string overlap_report(const Trace& trace) {
    Overlap o = overlap(trace);
    return fmt::format("[Gather] {:.2f} s of gathering, {:.2f} s of them waited for: {:.0f} % hidden behind compute", o.gathering,
                       o.waiting, 100 * o.hidden());
}

}  // namespace tandem
