#include "models/llama/rope_table.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>

#include "models/io/json_fields.h"
#include "models/io/rope_config.h"

using namespace tandem;

// Both files are transformers' own, in fp32. Its pow and reciprocal are off by up to 1.5 ulp of 2^-23, ours by half a
// one: 2.4e-7. Where head_dim is no power of two, its rounded exponent costs ln(theta) half ulps more: 8.2e-7 for 1e6.
TEST_CASE("inverse frequencies and attention factors equal transformers'") {
    for (const char* file : {"/rope.json", "/rope_more.json"}) {
        Json rows = parse_json_file(std::string(TANDEM_TEST_DATA) + file);
        REQUIRE(rows.array().size() >= 5);
        for (const Json& row : rows.array()) {
            int head_dim = int(row.at("head_dim").integer());
            std::int64_t max_positions = row.at("max_position_embeddings").integer();
            std::int64_t seq_len = row.at("seq_len").is_null() ? max_positions : row.at("seq_len").integer();
            RopeConfig rope = read_rope_config(JsonFields(row, file), head_dim, max_positions);
            RopeFrequencies f = rope_frequencies(rope, head_dim, max_positions, seq_len);
            CHECK(f.attention_factor == doctest::Approx(row.at("attention_factor").number()).epsilon(1e-12));
            REQUIRE(f.inverse.size() == row.at("inv_freq").array().size());
            double worst = 0;
            for (std::size_t i = 0; i < f.inverse.size(); i++) {
                double want = row.at("inv_freq").array()[i].number();
                worst = std::max(worst, std::abs(f.inverse[i] - want) / want);
            }
            CHECK_MESSAGE(worst < 1e-6, row.at("rope_parameters").text());
        }
    }
}

TEST_CASE("the table holds cos and sin of every position, scaled, rounded once") {
    RopeConfig rope;
    rope.type = RopeType::yarn;
    rope.factor = 4;
    rope.original_max_positions = 1024;
    RopeFrequencies f = rope_frequencies(rope, 6, 4096, 4096);
    CHECK(f.attention_factor == doctest::Approx(0.1 * std::log(4.0) + 1));
    std::vector<float> cos(5000 * 3), sin(5000 * 3);
    std::vector<std::int32_t> positions(5000);
    std::iota(positions.begin(), positions.end(), 0);
    rope_table(f, positions, cos.data(), sin.data());
    for (std::size_t i = 0; i < cos.size(); i += 7) {
        double angle = double(i / 3) * double(f.inverse[i % 3]);
        CHECK(cos[i] == float(std::cos(angle) * f.attention_factor));
        CHECK(sin[i] == float(std::sin(angle) * f.attention_factor));
    }
    CHECK(cos[1] == float(f.attention_factor));
    CHECK(sin[1] == 0);
}
