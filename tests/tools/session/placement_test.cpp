#include "tools/session/placement.h"

#include <doctest/doctest.h>

#include "runtime/build.h"

using namespace tandem;

namespace {

std::string read(const std::string& text) {
    Placement p = Placement::cpu(3);
    return Placement::read(text, p) ? p.text() : "refused";
}

}  // namespace

TEST_CASE("placement: what it reads it writes") {
    for (const char* text : {"auto", "cpu", "cpu,cpu", "0", "0,1", "0,0", "1,cpu"}) CHECK(read(text) == text);
    for (const char* text : {"x", "0,", ",0", "-1", "0 1", "1.5", "cpu,,cpu", "99999999999"})
        CHECK(read(text) == "refused");
}

TEST_CASE("placement: ranks and their cards") {
    CHECK(Placement::cpu(2).world_size() == 2);
    CHECK(Placement::cpu(2).cards().empty());
    CHECK(Placement::on_cards({1, 0}).cards() == std::vector<int>{1, 0});
    CHECK(Placement().is_automatic());
    const Placement here = Placement().resolved();
    CHECK(!here.is_automatic());
    CHECK(here.world_size() > 0);
    CHECK(here.refusal().empty());
    CHECK(here.resolved() == here);
}

TEST_CASE("placement: where ranks cannot run, and why") {
    Placement none;
    REQUIRE(Placement::read("", none));
    CHECK(none.refusal().find("names no device") != std::string::npos);
    CHECK(Placement::on_cards({999}).refusal().find("names card 999, but this ") != std::string::npos);
    if (build::has_cuda) return;  // there the card that is missing is named
    CHECK(Placement::on_cards({0}).refusal().find("is without CUDA") != std::string::npos);
}
