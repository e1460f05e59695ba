// check_op for tests: what is wrong with an op as failures of the test.
#pragma once
#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <random>

#include "tests/support/test_rank.h"
#include "tools/check_op/norms.h"
#include "tools/check_op/op_failures.h"
#include "tools/check_op/run_op.h"

namespace tandem::test {

inline void check_close(const OpCase& c, DType t, const std::vector<double>& got, const std::vector<double>& exact) {
    CHECK(close_failure(c, t, got, exact) == "");
}

inline void check_op(const OpCase& c, unsigned seed = 1) {
    const std::vector<std::string> failures = op_failures(c, seed);
    for (const std::string& f : failures) FAIL_CHECK(f);
    CHECK(failures.empty());
}

}  // namespace tandem::test
