#include "models/io/rope_config.h"

#include <fmt/core.h>

#include <array>
#include <string_view>
#include <utility>

#include "models/io/json_fields.h"

namespace tandem {

namespace {

RopeType type_named(const JsonFields& f) {
    static constexpr std::array<std::pair<std::string_view, RopeType>, 5> known{{{"default", RopeType::standard},
        {"linear", RopeType::linear}, {"dynamic", RopeType::dynamic}, {"yarn", RopeType::yarn},
        {"llama3", RopeType::llama3}}};
    std::string_view key = f.is_set("rope_type") ? "rope_type" : "type";
    std::string type = f.text(key).value_or("default");
    for (auto [name, value] : known)
        if (type == name) return value;
    f.fail(key, fmt::format("is '{}'; supported are default, linear, dynamic, yarn, llama3", type));
}

void require_whole_head(const JsonFields& f) {
    if (f.number("partial_rotary_factor").value_or(1) != 1)
        f.fail("partial_rotary_factor", "must be 1: rotating a part of the head is not supported");
}

void read_yarn(const JsonFields& f, RopeConfig& r) {
    r.beta_fast = f.positive_number("beta_fast").value_or(r.beta_fast);
    r.beta_slow = f.positive_number("beta_slow").value_or(r.beta_slow);
    r.mscale = f.positive_number("mscale");
    r.mscale_all_dim = f.positive_number("mscale_all_dim");
    r.attention_factor = f.positive_number("attention_factor");
    r.truncate = f.boolean("truncate").value_or(r.truncate);
}

void read_llama3(const JsonFields& f, RopeConfig& r) {
    r.low_freq_factor = f.required("low_freq_factor", f.positive_number("low_freq_factor"));
    r.high_freq_factor = f.required("high_freq_factor", f.positive_number("high_freq_factor"));
    if (r.high_freq_factor <= r.low_freq_factor) f.fail("high_freq_factor", "must be above low_freq_factor");
}

}  // namespace

RopeConfig read_rope_config(const JsonFields& config, int head_dim, std::int64_t max_positions) {
    RopeConfig r;
    require_whole_head(config);
    std::optional<double> theta = config.positive_number("rope_theta");
    std::string_view key = config.is_set("rope_scaling") ? "rope_scaling" : "rope_parameters";
    std::optional<JsonFields> f = config.object(key);
    if (f) {
        require_whole_head(*f);
        for (const char* nested : {"full_attention", "sliding_attention"})
            if (f->present(nested)) config.fail(key, "differs between layers, which is not supported");
        r.type = type_named(*f);
        if (std::optional<double> own = f->positive_number("rope_theta")) theta = own;
    }
    r.theta = theta.value_or(r.theta);
    if (r.theta <= 1) config.fail("rope_theta", fmt::format("must be above 1, got {}", r.theta));
    if (r.type == RopeType::standard) return r;

    std::optional<double> factor = f->positive_number("factor");
    if (r.type == RopeType::yarn || r.type == RopeType::llama3) {
        std::string_view original = "original_max_position_embeddings";
        std::optional<std::int64_t> outer = config.integer(original, JsonFields::positive);
        std::optional<std::int64_t> inner = f->integer(original, JsonFields::positive);
        r.original_max_positions = outer ? *outer : inner.value_or(max_positions);
    }
    if (r.type == RopeType::yarn && f->present("factor") && !factor)  // null: as transformers derives it
        factor = double(max_positions) / double(r.original_max_positions);
    r.factor = f->required("factor", factor);
    if (r.factor < 1) f->fail("factor", fmt::format("must be at least 1, got {}", r.factor));
    if (r.type == RopeType::dynamic && head_dim < 4) config.fail("head_dim", "must be at least 4 for dynamic rope");
    if (r.type == RopeType::yarn) read_yarn(*f, r);
    if (r.type == RopeType::llama3) read_llama3(*f, r);
    return r;
}

}  // namespace tandem
