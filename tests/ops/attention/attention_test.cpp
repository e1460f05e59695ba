#include "runtime/plan/plan_stream.h"
#include "tests/ops/attention/attention_reference.h"

using namespace tandem;
using namespace tandem::test;

namespace {

using Begins = std::vector<std::int32_t>;
using Numbers = std::vector<double>;

Numbers rows_of(const Numbers& v, std::int64_t columns, std::int64_t begin, std::int64_t end) {
    return Numbers(v.begin() + begin * columns, v.begin() + end * columns);
}

// y, dq, dk, dv in one list.
Arrays all_of(const OpResult& r) {
    Arrays all = r.dx;
    all.insert(all.begin(), r.y);
    return all;
}

}  // namespace

// In bf16 the probabilities and the gradients of the scores are rounded between the products, in f32 exp adds a unit,
// and y's rounding enters every gradient through delta: up to six roundings of the size of the result.
TEST_CASE("attention: gradients, dtypes, threads") {
    auto check = [](const Begins& begins, AttentionShape s) {
        OpCase c = attention_case(begins, s);
        c.roundings = 6;
        check_op(c);
    };
    check({0, 3}, {1, 1, 2});
    check({0, 1, 4, 4, 6}, {4, 2, 3});  // one token, an empty document
    check({0, 5}, {6, 1, 1});           // more heads than share a work item
}

// Double: sums of up to 300 terms in another order, 1e-13 leaves two digits. The others: at most twice the error of
// writing the formula down in that type; f32 starts from a few units, where the reference may be exact (one token).
TEST_CASE("attention equals the plain formula, within twice its error in each type") {
    struct Case {
        Begins begins;
        AttentionShape shape;
    };
    for (const Case& c : {Case{{0, 130}, {2, 1, 16}},
                          {{0, 64, 64, 65, 195}, {3, 3, 20}},
                          {{0, 7, 70}, {4, 2, 21}},
                          {{0, 63, 300}, {6, 1, 33}},
                          {{0, 65}, {9, 3, 64}},
                          {{0, 1, 2, 67}, {2, 2, 128}},
                          {{0, 129}, {8, 2, 128}},
                          {{0, 63, 127, 128}, {2, 1, 80}},
                          {{0, 33, 97}, {2, 1, 192}},
                          {{0, 129}, {9, 1, 256}}}) {
        INFO("head_dim ", c.shape.head_dim, " tokens ", c.begins.back());
        OpCase op = attention_case(c.begins, c.shape);
        Arrays x = random_inputs(op);
        Numbers dy = random_values(x[0].size(), 9);
        Arrays exact = all_of(reference<double>(c.begins, c.shape, x, dy));
        Arrays f64 = all_of(run_op(op, DType::f64, x, dy));
        for (std::size_t i = 0; i < 4; i++) CHECK(distance(f64[i], exact[i]) <= 1e-13 * norm(exact[i]));
        auto judge = [&](DType t, const Arrays& plain) {
            for (DeviceKind kind : device_kinds()) {
                OpResult one = run_op(op, t, x, dy, 1, kind), again = run_op(op, t, x, dy, 3, kind);
                CHECK(all_of(one) == all_of(again));
                for (std::size_t i = 0; i < 4; i++) {
                    INFO(name_of(Variant{kind, t}), " of y, dq, dk, dv number ", i);
                    CHECK(distance(all_of(one)[i], exact[i]) <=
                          2 * distance(plain[i], exact[i]) + 0x1p-23 * norm(exact[i]));
                }
            }
        };
        judge(DType::f32, all_of(reference<float>(c.begins, c.shape, x, dy)));
        judge(DType::bf16, all_of(reference<bf16>(c.begins, c.shape, x, dy)));
    }
}

TEST_CASE("attention: packed documents are each alone, bit for bit") {
    const Begins begins = {0, 70, 70, 71, 200};
    const AttentionShape s{4, 2, 24};
    OpCase packed = attention_case(begins, s);
    Arrays x = random_inputs(packed);
    Numbers dy = random_values(x[0].size(), 9);
    for (const Variant& variant : variants()) {
        INFO(name_of(variant));
        Arrays together = all_of(run_op(packed, variant.dtype, x, dy, 1, variant.kind));
        for (std::size_t d = 0; d + 1 < begins.size(); d++) {
            if (begins[d] == begins[d + 1]) continue;
            Arrays own;
            for (int i = 0; i < 3; i++)
                own.push_back(
                    rows_of(x[std::size_t(i)], (i ? s.kv_heads : s.heads) * s.head_dim, begins[d], begins[d + 1]));
            Numbers own_dy = rows_of(dy, s.heads * s.head_dim, begins[d], begins[d + 1]);
            OpCase one = attention_case({0, begins[d + 1] - begins[d]}, s);
            Arrays alone = all_of(run_op(one, variant.dtype, own, own_dy, 1, variant.kind));
            for (std::size_t i = 0; i < 4; i++) {
                const int columns = (i < 2 ? s.heads : s.kv_heads) * s.head_dim;
                CHECK(alone[i] == rows_of(together[i], columns, begins[d], begins[d + 1]));
            }
        }
    }
}

TEST_CASE("attention: a document changes nothing outside itself, a token nothing before it") {
    const AttentionShape s{2, 1, 16};
    OpCase c = attention_case({0, 66, 140}, s);
    Arrays x = random_inputs(c);
    Numbers dy = random_values(x[0].size(), 9);
    for (const Variant& variant : variants()) {
        INFO(name_of(variant));
        Arrays before = all_of(run_op(c, variant.dtype, x, dy, 1, variant.kind)), changed = x;
        for (std::size_t i = 0; i < 3; i++) {
            const std::int64_t columns = i ? 16 : 32;
            for (std::int64_t e = 100 * columns; e < 101 * columns; e++) changed[i][std::size_t(e)] = 1e30;
        }
        Arrays after = all_of(run_op(c, variant.dtype, changed, dy, 1, variant.kind));
        for (std::size_t i = 0; i < 4; i++)
            CHECK(rows_of(before[i], i < 2 ? 32 : 16, 0, 66) == rows_of(after[i], i < 2 ? 32 : 16, 0, 66));
        CHECK(rows_of(before[0], 32, 66, 100) == rows_of(after[0], 32, 66, 100));
        CHECK(rows_of(before[0], 32, 100, 140) != rows_of(after[0], 32, 100, 140));
    }
}

// Gradients of the repeated heads, added up in double, differ from the group's by roundings of f32 sums only.
TEST_CASE("attention: grouped queries are repeated keys and values") {
    const AttentionShape grouped{6, 2, 20}, repeated{6, 6, 20};
    const std::int64_t tokens = 100;
    OpCase c = attention_case({0, 30, 100}, grouped), r = attention_case({0, 30, 100}, repeated);
    Arrays x = random_inputs(c);
    Arrays wide = {x[0], Numbers(x[0].size()), Numbers(x[0].size())};
    auto column_of = [](std::int64_t column) { return column / 20 / 3 * 20 + column % 20; };
    for (std::size_t i : {1, 2})
        for (std::int64_t e = 0; e < tokens * 120; e++)
            wide[i][std::size_t(e)] = x[i][std::size_t(e / 120 * 40 + column_of(e % 120))];
    Numbers dy = random_values(x[0].size(), 9);
    for (DeviceKind kind : device_kinds()) {
        OpResult a = run_op(c, DType::f32, x, dy, 1, kind), b = run_op(r, DType::f32, wide, dy, 1, kind);
        CHECK(a.y == b.y);
        CHECK(a.dx[0] == b.dx[0]);
        for (std::size_t i : {1, 2}) {
            Numbers sum(x[i].size());
            for (std::int64_t e = 0; e < tokens * 120; e++)
                sum[std::size_t(e / 120 * 40 + column_of(e % 120))] += b.dx[i][std::size_t(e)];
            CHECK(distance(a.dx[i], sum) <= 8 * 0x1p-24 * norm(sum));
        }
    }
}

// A card has kernels for dk alone and dv alone, of every width.
TEST_CASE("attention adds to gradients that are there, and skips those that nobody wants") {
    auto check = [](const Variant& variant, const AttentionShape& s) {
        INFO(name_of(variant), " head_dim ", s.head_dim);
        OpCase c = attention_case({0, 70}, s);
        Arrays x = random_inputs(c);
        Numbers dy = random_values(x[0].size(), 9);
        OpResult alone = run_op(c, DType::f64, x, dy);
        for (std::size_t only = 0; only < 3; only++) {
            OpCase added = c;
            added.op = [&](Context& ctx, const auto& v, const auto&) {
                std::vector<Value> frozen;
                for (const Value& one : v) frozen.emplace_back(one.tensor());
                frozen[only] = v[only];
                Value y = attention(ctx, frozen[0], frozen[1], frozen[2], indices_of(ctx, {0, 70}), s);
                v[only].slot()->gradient =
                    tensor_of(ctx, v[only].shape(), v[only].dtype(), Numbers(x[only].size(), 100));
                return y;
            };
            OpResult got = run_op(added, variant.dtype, x, dy, 1, variant.kind);
            Numbers expected = alone.dx[only];
            for (double& e : expected) e += 100;
            if (variant.dtype == DType::f64) CHECK(got.dx[only] == expected);
            // One rounding of about 100 in bf16 or f32, and the gradient's own, a hundredth of that.
            const double unit = variant.dtype == DType::bf16 ? 0x1p-9 : 0x1p-24;
            CHECK(distance(got.dx[only], expected) <= 2 * unit * norm(expected));
            CHECK(got.dx[(only + 1) % 3].empty());
            CHECK(got.dx[(only + 2) % 3].empty());
        }
    };
    for (const Variant& variant : variants()) check(variant, {2, 1, 16});
    if (has_card())
        for (int head_dim : {64, 96, 128, 136}) check({DeviceKind::cuda, DType::bf16}, {1, 1, head_dim});
}

// Everything but lse, delta and the gradients is the size of the inputs; the matrix of scores would be 256 MiB.
TEST_CASE("attention of a long document keeps no matrix of scores") {
    const std::int64_t tokens = 8192;
    TestRank rank(DType::bf16, 2);
    const Ledger before = rank.ctx.memory().ledger();  // the rank's own scratch
    Tape tape;
    Value x(tensor_of(rank.ctx, {tokens, 16}, DType::bf16, random_values(tokens * 16, 1)),
            std::make_shared<GradSlot>(GradSlot{{tokens, 16}, DType::bf16, {}}));
    Tensor begins = indices_of(rank.ctx, {0, std::int32_t(tokens)});
    {
        TapeScope record(rank.ctx, &tape);
        Value y = attention(rank.ctx, x, x, x, begins, {1, 1, 16});
        y.slot()->gradient = y.tensor();
    }
    tape.run(rank.ctx);
    std::size_t peak = 0;
    for (std::size_t c = 0; c < category_count; c++) peak += rank.ctx.memory().ledger().peak[c] - before.now[c];
    CHECK(peak <= 8 * x.bytes() + 2 * tokens * sizeof(float) + 4096);
    for (double e : values_of(rank.ctx, x.slot()->gradient)) REQUIRE(std::isfinite(e));
}

// Two products forward and five backward, of 10 * 11 / 2 pairs in 4 heads of 16: 2 flops per element of each.
TEST_CASE("attention on the plan device reads nothing and tells its cost") {
    std::unique_ptr<Memory> memory = make_heap_memory();
    PlanStream stream;
    Context ctx({.device = {.kind = DeviceKind::plan, .memory = memory.get(), .compute = &stream},
                 .compute = DType::bf16});
    auto nothing = [](int columns) {
        Tensor t(nullptr, {10, columns}, DType::bf16);
        return Value(t, std::make_shared<GradSlot>(GradSlot{t.shape(), t.dtype(), {}}));
    };
    Tape tape;
    {
        TapeScope record(ctx, &tape);
        Value y = attention(ctx, nothing(64), nothing(32), nothing(32), Tensor(nullptr, {3}, DType::i32), {4, 2, 16});
        CHECK(ctx.take_cost().flops == 2 * 2 * 55 * 64);
        y.slot()->gradient = y.tensor();
    }
    tape.run(ctx);
    CHECK(ctx.take_cost().flops == 5 * 2 * 55 * 64);
}

TEST_CASE("attention of no tokens") {
    for (const Begins& begins : {Begins{0}, Begins{0, 0, 0}}) {
        OpCase c = attention_case(begins, {2, 1, 16});
        for (const Variant& v : variants()) CHECK(run_op(c, v.dtype, {{}, {}, {}}, {}, 1, v.kind).y.empty());
    }
}

TEST_CASE("attention refuses what does not fit together") {
    auto run = [](const Begins& begins, AttentionShape s, std::int64_t tokens, int kv_columns) {
        OpCase c = attention_case({0, 0}, s);
        c.inputs = {{tokens, s.heads * s.head_dim}, {tokens, kv_columns}, {tokens, kv_columns}};
        c.op = [=](Context& ctx, const auto& x, const auto&) {
            return attention(ctx, x[0], x[1], x[2], indices_of(ctx, begins), s);
        };
        run_op(c, DType::f32, random_inputs(c), {});
    };
    CHECK_THROWS_WITH(run({0, 4}, {3, 2, 8}, 4, 16), "[attention] expected kv_heads >= 1 that divides heads");
    CHECK_THROWS_WITH(run({0, 4}, {2, 2, 257}, 4, 514), "[attention] expected head_dim from 1 to 256");
    CHECK_THROWS_WITH(run({0, 4}, {2, 1, 8}, 4, 16), "[attention] expected k of shape [4, 8], got [4, 16]");
    CHECK_THROWS_WITH(run({0, 3}, {2, 1, 8}, 4, 8), "[attention] expected cu_seqlens from 0 to 4 tokens, got 0 to 3");
    CHECK_THROWS_WITH(run({1, 4}, {2, 1, 8}, 4, 8), "[attention] expected cu_seqlens from 0 to 4 tokens, got 1 to 4");
    CHECK_THROWS_WITH(run({0, 5, 4}, {2, 1, 8}, 4, 8),
                      "[attention] cu_seqlens falls from 5 to 4 at document 1; give the "
                      "documents' first tokens in order");
}
