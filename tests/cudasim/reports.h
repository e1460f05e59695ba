// What the simulator's checks found.
#pragma once
#include <string>
#include <vector>

namespace cudasim {

// A check that failed: printed at once. The process goes on; but ends with exit status 66 if nobody takes the report.
void report(const std::string& text);
std::vector<std::string> take_reports();  // oldest first

}  // namespace cudasim
