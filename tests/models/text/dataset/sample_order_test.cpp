#include "models/text/dataset/sample_order.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <numeric>
#include <set>

#include "models/text/dataset/rows.h"

using namespace tandem;

namespace {

using List = std::vector<std::int64_t>;
List all(const SampleOrder& order) {
    List list;
    for (std::int64_t i = 0; i < order.size(); i++) list.push_back(order[i]);
    return list;
}
List list(std::span<const std::int64_t> s) { return {s.begin(), s.end()}; }
List sorted(List values) {
    std::ranges::sort(values);
    return values;
}

}  // namespace

TEST_CASE("an order is a permutation by seed and epoch alone") {
    for (std::int64_t size : {0, 1, 2, 7, 1000}) {
        List identity(std::size_t(size), 0);
        std::iota(identity.begin(), identity.end(), 0);
        CHECK(all(SampleOrder(size, 42, 3, Shuffle::no)) == identity);
        CHECK(sorted(all(SampleOrder(size, 42, 3, Shuffle::yes))) == identity);
        CHECK(all(SampleOrder(size, 42, 3, Shuffle::yes)) == all(SampleOrder(size, 42, 3, Shuffle::yes)));
    }
    std::set<List> different;
    for (std::uint64_t seed : {0, 1, 42})
        for (std::int64_t epoch : {0, 1, 2}) different.insert(all(SampleOrder(50, seed, epoch, Shuffle::yes)));
    CHECK(different.size() == 9);
}

TEST_CASE("the order is final: checkpoints rely on it") {
    CHECK(all(SampleOrder(10, 42, 0, Shuffle::yes)) == List{0, 3, 5, 7, 9, 8, 2, 1, 4, 6});
    CHECK(all(SampleOrder(10, 42, 1, Shuffle::yes)) == List{6, 5, 1, 4, 7, 3, 2, 9, 8, 0});
}

TEST_CASE("every sample stands at every place equally often") {
    // 10,000 epochs of 8: a place expects 1250 of each, standard deviation 33; seven of those are never seen by chance
    std::vector<int> counts(64);
    for (std::int64_t epoch = 0; epoch < 10000; epoch++) {
        SampleOrder order(8, 7, epoch, Shuffle::yes);
        for (std::int64_t i = 0; i < 8; i++) counts[std::size_t(i * 8 + order[i])]++;
    }
    for (int count : counts) CHECK(std::abs(count - 1250) < 7 * 33);
}

TEST_CASE("each sample once in an epoch, whatever the shape") {
    for (std::int64_t size : {1, 5, 12, 37})
        for (std::int64_t world : {1, 2, 3})
            for (std::int64_t batch : {1, 2, 4})
                for (std::int64_t accumulation : {1, 3}) {
                    BatchShape shape{world, batch, accumulation};
                    SampleOrder order(size, 1, 0, Shuffle::yes);
                    StepSchedule schedule(size, shape);
                    List seen;
                    for (std::int64_t s = 0; s < schedule.steps_per_epoch(); s++) {
                        StepSamples step(order, schedule.position(s).offset, shape);
                        List shared;
                        CHECK(step.micro_batches() >= 1);
                        CHECK(step.micro_batches() <= accumulation);
                        for (std::int64_t m = 0; m < step.micro_batches(); m++)
                            for (std::int64_t r = 0; r < world; r++) {
                                CHECK(std::int64_t(step.of(m, r).size()) <= batch);
                                for (std::int64_t i : step.of(m, r)) shared.push_back(i);
                            }
                        CHECK(shared == list(step.all()));
                        seen.insert(seen.end(), shared.begin(), shared.end());
                    }
                    CHECK(seen == all(order));
                }
}

TEST_CASE("a step's samples do not depend on how the ranks share the batch") {
    SampleOrder order(37, 42, 1, Shuffle::yes);
    for (std::int64_t offset = 0; offset < 37; offset += 8) {
        StepSamples one(order, offset, {1, 4, 2}), two(order, offset, {2, 2, 2}), four(order, offset, {4, 1, 2});
        CHECK(list(one.all()) == list(two.all()));
        CHECK(list(one.all()) == list(four.all()));
        CHECK(one.micro_batches() == two.micro_batches());
        for (std::int64_t m = 0; m < one.micro_batches(); m++) {
            List joined = list(two.of(m, 0));
            for (std::int64_t i : two.of(m, 1)) joined.push_back(i);
            CHECK(joined == list(one.of(m, 0)));
        }
    }
}

TEST_CASE("rank r takes the r-th batch of each micro-batch; a short step leaves ranks empty") {
    SampleOrder order(11, 0, 0, Shuffle::no);
    BatchShape shape{2, 2, 2};
    StepSamples step(order, 0, shape);
    CHECK(step.micro_batches() == 2);
    CHECK(list(step.of(0, 0)) == List{0, 1});
    CHECK(list(step.of(0, 1)) == List{2, 3});
    CHECK(list(step.of(1, 0)) == List{4, 5});
    CHECK(list(step.of(1, 1)) == List{6, 7});
    StepSamples last(order, 8, shape);
    CHECK(last.micro_batches() == 1);
    CHECK(list(last.of(0, 0)) == List{8, 9});
    CHECK(list(last.of(0, 1)) == List{10});
    StepSamples one(SampleOrder(9, 0, 0, Shuffle::no), 8, shape);
    CHECK(list(one.of(0, 0)) == List{8});
    CHECK(one.of(0, 1).empty());
}

TEST_CASE("steps and positions, for resuming") {
    StepSchedule schedule(11, {2, 2, 2});
    CHECK(schedule.steps_per_epoch() == 2);
    CHECK(schedule.position(0) == StepSchedule::Position{0, 0});
    CHECK(schedule.position(1) == StepSchedule::Position{0, 8});
    CHECK(schedule.position(2) == StepSchedule::Position{1, 0});
    CHECK(schedule.total_steps(3, -1) == 6);
    CHECK(schedule.total_steps(3, 5) == 5);
    CHECK(schedule.total_steps(3, 50) == 6);
}

TEST_CASE("packed rows hold whole samples in order, up to the context") {
    Dataset data;
    for (std::size_t length : {3, 5, 1, 8, 2, 2, 2, 3}) {
        std::vector<std::int32_t> ids(length, 1);
        data.append({ids, ids});
    }
    Rows rows(data, Packing::yes, 8);
    REQUIRE(rows.size() == 5);
    CHECK(rows[0] == Rows::Range{0, 2});  // 3 + 5 fill it
    CHECK(rows[1] == Rows::Range{2, 3});  // 1, and 8 does not fit beside it
    CHECK(rows[2] == Rows::Range{3, 4});
    CHECK(rows[3] == Rows::Range{4, 7});  // 2 + 2 + 2, and 3 does not fit beside them
    CHECK(rows[4] == Rows::Range{7, 8});
    CHECK(rows.largest().length == 8);
    CHECK(rows.largest().supervised == 7);  // of the 8; 3 + 5 have 2 + 4
    Rows single(data, Packing::no, 8);
    CHECK(single.size() == data.size());
    for (std::int64_t i = 0; i < single.size(); i++) CHECK(single[i] == Rows::Range{i, i + 1});
    CHECK(Rows(Dataset(), Packing::yes, 8).size() == 0);
}
