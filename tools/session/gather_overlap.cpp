#include "tools/session/gather_overlap.h"

#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <string_view>

namespace tandem {

namespace {

using Spans = std::vector<Trace::Span>;

double seconds(Trace::Clock::duration d) { return std::chrono::duration<double>(d).count(); }

// Time within both; each sorted, without overlap in itself, as the spans of one lane are.
double common_seconds(const Spans& a, const Spans& b) {
    double sum = 0;
    for (std::size_t i = 0, j = 0; i < a.size() && j < b.size();) {
        auto begin = std::max(a[i].begin, b[j].begin), end = std::min(a[i].end, b[j].end);
        if (begin < end) sum += seconds(end - begin);
        if (a[i].end < b[j].end) i++;
        else j++;
    }
    return sum;
}

}  // namespace

GatherOverlap gather_overlap(const Trace& trace) {
    std::map<int, Spans> gathers, idle;  // by rank
    for (const Trace::Span& s : trace.spans()) {
        bool wait = std::string_view(s.name) == "wait";
        if (std::string_view(s.lane) == "gather" && !wait) gathers[s.rank].push_back(s);
        if (std::string_view(s.lane) == "compute" && wait) idle[s.rank].push_back(s);
    }
    GatherOverlap o;
    for (const auto& [rank, spans] : gathers) {
        for (const Trace::Span& s : spans) o.gathering += seconds(s.end - s.begin);
        o.exposed += common_seconds(spans, idle[rank]);
    }
    return o;
}

std::string gather_report(const Trace& trace) {
    GatherOverlap o = gather_overlap(trace);
    return fmt::format(
        "[Gather] {:.2f} s of gathering, {:.2f} s of them while compute waited: {:.0f} % hidden behind compute",
        o.gathering, o.exposed, 100 * o.hidden());
}

}  // namespace tandem
