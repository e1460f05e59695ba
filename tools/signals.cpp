#include "tools/signals.h"

#include <unistd.h>

#include <csignal>

namespace tandem {

namespace {
volatile std::sig_atomic_t requested = 0;  // a handler can reach nothing else

extern "C" void on_signal(int number) {
    if (requested) _exit(128 + number);
    requested = 1;
}
}  // namespace

void watch_signals() {
    struct sigaction action {};
    action.sa_handler = on_signal;
    action.sa_flags = SA_RESTART;
    sigaction(SIGTERM, &action, nullptr);
    sigaction(SIGINT, &action, nullptr);
}

bool stop_requested() { return requested != 0; }

}  // namespace tandem
