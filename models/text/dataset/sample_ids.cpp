#include "models/text/dataset/sample_ids.h"

#include <fmt/core.h>

#include <algorithm>

#include "models/text/dataset/record_fields.h"
#include "models/text/dataset/record_keys.h"
#include "runtime/error.h"
#include "runtime/utf8.h"

namespace tandem {
namespace {

const Json::Array& list(const Json& record, std::string_view key, std::string_view of) {
    const Json& field = record.at(key);
    if (!field.is_array())
        throw InputError(fmt::format("expected {} to be a list of {}, got {}", key, of, field.kind_name()));
    return field.array();
}

[[noreturn]] void bad_item(std::string_view expected, const Json::Array& items, std::size_t i) {
    throw InputError(fmt::format("expected {}, got {} as number {}", expected, excerpt(items[i].text(), 40), i));
}

std::vector<std::int64_t> integers(const Json& record, std::string_view key) {
    const Json::Array& items = list(record, key, "ids");
    std::vector<std::int64_t> all;
    all.reserve(items.size());
    for (std::size_t i = 0; i < items.size(); i++) {
        if (items[i].kind() != Json::Kind::integer) bad_item(fmt::format("{} to hold integers", key), items, i);
        all.push_back(items[i].integer());
    }
    return all;
}

void expect_length(std::string_view key, std::size_t length, std::size_t ids) {
    if (length != ids)
        throw InputError(fmt::format("expected as many {} as input_ids, got {} {} for {} ids", key, length, key, ids));
}

// Of the tokens themselves, not shifted.
std::vector<bool> mask(const Json& record, std::string_view key, std::size_t ids) {
    const Json::Array& items = list(record, key, "0 and 1");
    std::vector<bool> all;
    for (std::size_t i = 0; i < items.size(); i++) {
        std::optional<bool> item = flag(items[i]);
        if (!item) bad_item(fmt::format("{} to hold 0, 1, false or true", key), items, i);
        all.push_back(*item);
    }
    expect_length(key, all.size(), ids);
    return all;
}

struct Range {
    std::size_t begin, end;
};

// The tokens that are no padding.
Range attended(const Json& record, std::size_t ids) {
    if (!given(record, "attention_mask")) return {0, ids};
    std::vector<bool> ones = mask(record, "attention_mask", ids);
    auto begin = std::ranges::find(ones, true);
    auto end = std::find(ones.rbegin(), std::make_reverse_iterator(begin), true).base();
    if (begin == end && ids > 0) throw InputError("expected a 1 in attention_mask, got none; leave the sample out");
    if (auto hole = std::find(begin, end, false); hole != end)
        throw InputError(
            fmt::format("expected attention_mask to be 0 at its ends alone, as padding, got 0 as number "
                        "{} between ones; make each document a record of its own",
                        hole - ones.begin()));
    return {std::size_t(begin - ones.begin()), std::size_t(end - ones.begin())};
}

// What stands in padding need not be an id.
std::vector<std::int32_t> ids_within(Range kept, const std::vector<std::int64_t>& all, std::string_view key,
                                     const auto& allowed, std::int64_t vocab) {
    std::vector<std::int32_t> ids;
    ids.reserve(kept.end - kept.begin);
    for (std::size_t i = kept.begin; i < kept.end; i++) {
        if (!allowed(all[i]))
            throw InputError(fmt::format("expected ids below the vocabulary's {} in {}, got {} as number {}", vocab,
                                         key, all[i], i));
        ids.push_back(std::int32_t(all[i]));
    }
    return ids;
}

void check_positions(const Json& record, Range kept, std::size_t ids) {
    if (!given(record, "position_ids")) return;
    std::vector<std::int64_t> positions = integers(record, "position_ids");
    expect_length("position_ids", positions.size(), ids);
    for (std::size_t i = kept.begin; i < kept.end; i++)
        if (positions[i] != std::int64_t(i - kept.begin))
            throw InputError(
                fmt::format("expected position_ids to count from 0, got {} as number {}; make each "
                            "document a record of its own",
                            positions[i], i));
}

}  // namespace

Sample sample_of_ids(const Json& record, std::int64_t vocab) {
    Sample sample;
    sample.unused = unused_keys(record, id_keys, {"input_ids"});
    std::vector<std::int64_t> ids = integers(record, "input_ids"), labels = ids;
    Range kept = attended(record, ids.size());
    check_positions(record, kept, ids.size());
    auto is_id = [&](std::int64_t id) { return id >= 0 && id < vocab; };
    auto is_label = [&](std::int64_t id) { return is_id(id) || id == not_supervised; };
    sample.ids = ids_within(kept, ids, "input_ids", is_id, vocab);
    if (given(record, "labels")) labels = integers(record, "labels");
    expect_length("labels", labels.size(), ids.size());
    sample.labels = ids_within(kept, labels, "labels", is_label, vocab);
    for (std::string_view key : {"completion_mask", "assistant_masks", "loss_mask"}) {
        if (!given(record, key)) continue;
        std::vector<bool> ones = mask(record, key, ids.size());
        for (std::size_t i = kept.begin; i < kept.end; i++)
            if (!ones[i]) sample.labels[i - kept.begin] = not_supervised;
    }
    return sample;
}

}  // namespace tandem
