// SIGTERM, SIGINT and SIGHUP: before the first step they end the process at once with 128 + their number; from then on
// the first one asks the run to finish its step and save, and the second ends the process at once. One that was ignored
// when the process began (nohup, background jobs) stays ignored. SIGPIPE and SIGXFSZ end nothing: the write that they
// are about fails.
#pragma once

namespace tandem {

void watch_signals();
void finish_steps_first();  // the first step begins
bool stop_requested();

// Files change within its scope: a signal that would end the process at once ends it after the scope.
class SignalsLater {
  public:
    SignalsLater();
    ~SignalsLater();
    SignalsLater(const SignalsLater&) = delete;
};

}  // namespace tandem
