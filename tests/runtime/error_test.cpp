#include "runtime/error.h"

#include <doctest/doctest.h>

using namespace tandem;

namespace {

std::string flag(std::string_view key) { return "--" + std::string(key); }

}  // namespace

TEST_CASE("error: what() names settings by their keys, the shown message by the word of who shows it") {
    const Error e("raise " + setting("context_length") + " or lower " + setting("lr") + "; look");
    CHECK(e.what() == std::string("raise context_length or lower lr; look"));
    CHECK(worded(e.message()) == e.what());
    CHECK(worded(e.message(), flag) == "raise --context_length or lower --lr; look");
    const InputError next("rank 1: " + std::string(e.message()));
    CHECK(worded(next.message(), flag) == "rank 1: raise --context_length or lower --lr; look");
}

TEST_CASE("error: a text without settings, or with half of one, stays as it is") {
    const std::string one = setting("lr"), half = one.substr(0, one.size() - 1), end = one.substr(one.size() - 1);
    for (const std::string& text : {std::string(), std::string("lr is --lr"), half, end, end + half})
        CHECK(worded(text, flag) == text);
    CHECK(worded(end + one + half, flag) == end + "--lr" + half);
    CHECK(worded(one + one, flag) == "--lr--lr");
}
