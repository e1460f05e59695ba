#include "models/llama/rope_table.h"

#include <doctest/doctest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "models/io/rope_config.h"

using namespace tandem;
using nlohmann::json;

TEST_CASE("inverse frequencies and attention factors equal transformers'") {
    json rows = json::parse(std::ifstream(std::string(TANDEM_TEST_DATA) + "/rope.json"));
    REQUIRE(rows.size() == 5);
    for (const json& row : rows) {
        int head_dim = row["head_dim"];
        std::int64_t max_positions = row["max_position_embeddings"];
        std::int64_t seq_len = row["seq_len"].is_null() ? max_positions : row["seq_len"].get<std::int64_t>();
        RopeConfig rope = read_rope_config(JsonFields(row, "rope.json"), head_dim, max_positions);
        RopeFrequencies f = rope_frequencies(rope, head_dim, max_positions, seq_len);
        CHECK(f.attention_factor == doctest::Approx(row["attention_factor"].get<double>()).epsilon(1e-12));
        REQUIRE(f.inverse.size() == row["inv_freq"].size());
        double worst = 0;
        for (std::size_t i = 0; i < f.inverse.size(); i++) {
            double want = row["inv_freq"][i];
            worst = std::max(worst, std::abs(f.inverse[i] - want) / want);
        }
        MESSAGE(row["rope_parameters"]["rope_type"].get<std::string>() << ": worst relative difference " << worst);
        CHECK(worst < 1e-6);
    }
}
