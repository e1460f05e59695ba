// A loss that is a Python callable. It is called by every rank's thread, with the GIL in turn.
#pragma once
#include <nanobind/nanobind.h>

#include <memory>

#include "ops/lm_head/own_loss.h"

namespace tandem::python {

namespace nb = nanobind;

class OwnLoss {
  public:
    // `loss` is kept by tandem.FineTune, not here: a reference from C++ would hide a cycle from Python's collector.
    explicit OwnLoss(nb::handle loss) : loss_(loss) {}

    // What it raises ends the ranks by an Error; rethrow() has the exception itself. Outlives the ranks.
    RowLoss row_loss();
    void rethrow();  // with the GIL; nothing where nothing was raised

  private:
    void call(const LossRows& rows);

    nb::handle loss_;
    std::unique_ptr<nb::python_error> raised_;  // under the GIL; the first
};

}  // namespace tandem::python
