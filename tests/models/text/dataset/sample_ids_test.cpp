#include "models/text/dataset/sample_ids.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <random>

#include "tests/models/text/dataset/support.h"

using namespace tandem;
using namespace tandem::test;

namespace {

constexpr std::int32_t masked = not_supervised;

Json list_of(const std::vector<int>& values) { return Json(values); }

Sample sample(const std::string& record) { return sample_of_ids(std::get<Json>(Json::parse(record)), 100); }

}  // namespace

TEST_CASE("masks of tokens: what has 0 is not supervised, of the token itself") {
    for (std::string key : {"completion_mask", "assistant_masks", "loss_mask"})
        for (std::string mask :
             {"[0, 0, 1, 0, 1]", "[false, false, true, false, true]", "[0.0, false, 1.0, 0, true]"}) {
            Sample s = sample("{\"input_ids\": [1, 2, 3, 4, 5], \"" + key + "\": " + mask + "}");
            CHECK(s.ids == Ids{1, 2, 3, 4, 5});
            CHECK(s.labels == Ids{masked, masked, 3, masked, 5});
            CHECK(s.unused.empty());
        }
}

TEST_CASE("masks and labels are intersected") {
    Sample s = sample(
        "{\"input_ids\": [1, 2, 3, 4, 5, 6], \"labels\": [-100, 9, 3, 4, 5, -100],"
        "\"completion_mask\": [1, 1, 1, 1, 0, 1], \"assistant_masks\": [1, 1, 0, 1, 1, 1], \"loss_mask\": null}");
    CHECK(s.labels == Ids{masked, 9, masked, 4, masked, masked});
    s = sample("{\"input_ids\": [1, 2, 3], \"loss_mask\": [1, 1, 0], \"attention_mask\": [0, 1, 1]}");
    CHECK(s.ids == Ids{2, 3});
    CHECK(s.labels == Ids{2, masked});
    CHECK(sample("{\"input_ids\": [1, 2], \"labels\": null, \"attention_mask\": null}").labels == Ids{1, 2});
}

TEST_CASE("what stands in padding is of no interest") {
    Sample s = sample(
        "{\"input_ids\": [100, -1, 5, 6, 32000], \"labels\": [-1, 32000, -100, 6, 7],"
        "\"attention_mask\": [0, 0, 1, 1, 0], \"position_ids\": [1, 1, 0, 1, 1], \"loss_mask\": [1, 0, 1, 1, 1]}");
    CHECK(s.ids == Ids{5, 6});
    CHECK(s.labels == Ids{masked, 6});
    CHECK(ids_error("{\"input_ids\": [32000, 5, 6], \"attention_mask\": [0, 1, 1]}") == "no error");
    CHECK(ids_error("{\"input_ids\": [1, 5, 600], \"attention_mask\": [0, 1, 1]}") ==
          "1: expected ids below the vocabulary's 100 in input_ids, got 600 as number 2");
    // 8 tokens of context hold 12 ids of which 4 are padding
    CHECK(ids_error("{\"input_ids\": [1,2,3,4,5,6,7,8,0,0,0,0], \"attention_mask\": [1,1,1,1,1,1,1,1,0,0,0,0]}") ==
          "no error");
}

TEST_CASE("padding on either side gives the sample that is without") {
    std::mt19937 random(5);
    auto below = [&](int n) { return int(random() % unsigned(n)); };
    auto numbers = [&](int n, int limit) {
        std::vector<int> all;
        for (int i = 0; i < n; i++) all.push_back(below(limit));
        return all;
    };
    for (int round = 0; round < 400; round++) {
        int n = 1 + below(9), left = below(4), right = below(4);
        auto padded = [&](const std::vector<int>& inner, int limit) {
            std::vector<int> all = numbers(left, limit), end = numbers(right, limit);
            all.insert(all.end(), inner.begin(), inner.end());
            all.insert(all.end(), end.begin(), end.end());
            return list_of(all);
        };
        Json plain, with;
        auto add = [&](const char* key, const std::vector<int>& inner, int limit) {
            plain[key] = list_of(inner);
            with[key] = padded(inner, limit);
        };
        add("input_ids", numbers(n, 100), 200);
        std::vector<int> labels = numbers(n, 100);
        for (int& label : labels)
            if (below(3) == 0) label = masked;
        if (below(2)) add("labels", labels, 200);
        for (const char* key : {"completion_mask", "assistant_masks", "loss_mask"})
            if (below(2)) add(key, numbers(n, 2), 2);
        std::vector<int> attention(std::size_t(left), 0);
        attention.insert(attention.end(), std::size_t(n), 1);
        attention.insert(attention.end(), std::size_t(right), 0);
        with["attention_mask"] = list_of(attention);
        Sample a = sample_of_ids(plain, 100), b = sample_of_ids(with, 100);
        CAPTURE(with.text());
        CHECK(a.ids == b.ids);
        CHECK(a.labels == b.labels);
    }
}

TEST_CASE("masks that say something else are refused by name") {
    std::string head = "{\"input_ids\": [1, 2, 3, 4], \"";
    for (std::string key : {"attention_mask", "completion_mask", "assistant_masks", "loss_mask"}) {
        auto error = [&](const std::string& value) { return ids_error(head + key + "\": " + value + "}"); };
        std::string only = "1: expected " + key + " to hold 0, 1, false or true, got ";
        CHECK(error("[1, 1, 1, 2]") == only + "2 as number 3");
        CHECK(error("[-1, 1, 1, 1]") == only + "-1 as number 0");
        CHECK(error("[1, 0.5, 1, 1]") == only + "0.5 as number 1");
        CHECK(error("[1, \"1\", 1, 1]") == only + "\"1\" as number 1");
        CHECK(error("[1, null, 1, 1]") == only + "null as number 1");
        CHECK(error("[[1, 1, 1, 1]]") == only + "[1,1,1,1] as number 0");
        CHECK(error("[[1], [1], [1], [1]]") == only + "[1] as number 0");
        for (std::string value : {"[1, 1, 1]", "[1, 1, 1, 1, 1]", "[]"})
            CHECK(error(value).starts_with("1: expected as many " + key + " as input_ids, got "));
        CHECK(error("1") == "1: expected " + key + " to be a list of 0 and 1, got number");
        CHECK(error("true") == "1: expected " + key + " to be a list of 0 and 1, got boolean");
        CHECK(error("\"1111\"") == "1: expected " + key + " to be a list of 0 and 1, got string");
        CHECK(error("{}") == "1: expected " + key + " to be a list of 0 and 1, got object");
    }
    CHECK(ids_error(head + "attention_mask\": [1, 0, 0, 1]}") ==
          "1: expected attention_mask to be 0 at its ends alone, as padding, got 0 as number 1 between ones; make each "
          "document a record of its own");
    CHECK(ids_error(head + "attention_mask\": [0, 1, 0, 1]}").find("as number 2 between") != std::string::npos);
    CHECK(ids_error(head + "attention_mask\": [0, 0, 0, 0]}") ==
          "1: expected a 1 in attention_mask, got none; leave the sample out");
    CHECK(ids_error(head + "loss_mask\": [1, 0, 0, 0]}") == "1: no supervised token in the 4 of this sample");
}

TEST_CASE("other keys of tokenized records") {
    std::string head = "{\"input_ids\": [1, 2, 3, 4], \"";
    auto unused = [&](const std::string& rest) { return read_ids(head + rest + "}").unused_keys(); };
    CHECK(unused("position_ids\": [0, 1, 2, 3]") == "");
    CHECK(unused("token_type_ids\": [0, 0, 1, 1]") == "token_type_ids");
    CHECK(unused("special_tokens_mask\": [1, 0, 0, 0], \"length\": 4") == "length, special_tokens_mask");
    CHECK(unused("tokens\": [\"a\", \"b\", \"c\", \"d\"]") == "tokens");
    CHECK(unused("offset_mapping\": [[0, 1], [1, 2], [2, 3], [3, 4]]") == "offset_mapping");
    CHECK(unused("text\": \"abc\", \"label\": 1, \"seq_lengths\": [4]") == "label, seq_lengths, text");
    CHECK(unused("weight\": 1, \"tools\": [], \"note\": null") == "tools, weight");

    auto error = [&](const std::string& rest) { return ids_error(head + rest + "}"); };
    CHECK(error("position_ids\": [0, 1, 0, 1]") ==
          "1: expected position_ids to count from 0, got 0 as number 2; make each document a record of its own");
    CHECK(error("position_ids\": [0, 1, 2]").starts_with("1: expected as many position_ids as input_ids"));
    CHECK(error("seq_lengths\": [2, 2]").starts_with("1: \"seq_lengths\" says that input_ids are several documents"));
    for (std::string list : {"[0, 0, 1, 1]", "[0.5, 1, 1, 1]", "[true, true, false, true]"})
        for (std::string key : {"segment_ids", "my_mask", "advantages", "label_ids"})
            CHECK(error(key + "\": " + list)
                      .starts_with("1: \"" + key + "\" says something of every token, which could change what is"));
    for (std::string value : {"0", "0.5", "2", "false", "[1, 1, 0, 1]"})
        CHECK(error("weight\": " + value).starts_with("1: \"weight\" would weigh this sample or parts of it"));
}
