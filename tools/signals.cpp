#include "tools/signals.h"

#include <unistd.h>

#include <atomic>
#include <csignal>
#include <initializer_list>

namespace tandem {

namespace {

// A handler can reach nothing else. Of all threads: a signal is delivered to any of them.
std::atomic<int> requested{0};          // the number of the first signal
std::atomic<bool> stepping{false};      // finish_steps_first() was called
std::atomic<int> files_are_changed{0};  // scopes of SignalsLater
static_assert(std::atomic<int>::is_always_lock_free && std::atomic<bool>::is_always_lock_free);

// `requested` is written before `files_are_changed` is read, and SignalsLater does the opposite: one of the two sees
// the other, so that no file begins to change while a handler in another thread ends the process.
extern "C" void on_signal(int number) {
    int none = 0;
    const bool first = requested.compare_exchange_strong(none, number);
    if (stepping ? !first : files_are_changed == 0) _exit(128 + number);
}

void end_if_requested() {
    if (requested != 0 && !stepping) _exit(128 + requested);
}

void handle(int number, void (*handler)(int)) {
    struct sigaction action {};
    action.sa_handler = handler;
    action.sa_flags = SA_RESTART;
    sigaction(number, &action, nullptr);
}

}  // namespace

void watch_signals() {
    requested = 0;
    stepping = false;
    for (int number : {SIGTERM, SIGINT, SIGHUP}) {
        struct sigaction before {};
        sigaction(number, nullptr, &before);
        if (before.sa_handler != SIG_IGN) handle(number, on_signal);
    }
    for (int number : {SIGPIPE, SIGXFSZ}) handle(number, SIG_IGN);
}

void finish_steps_first() { stepping = true; }

bool stop_requested() { return requested != 0; }

SignalsLater::SignalsLater() {
    files_are_changed++;
    end_if_requested();
}

SignalsLater::~SignalsLater() {
    files_are_changed--;
    end_if_requested();
}

}  // namespace tandem
