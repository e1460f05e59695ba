// SIGTERM and SIGINT: the first asks the run to finish its step and save; the second ends the process at once.
#pragma once

namespace tandem {

void watch_signals();
bool stop_requested();

}  // namespace tandem
