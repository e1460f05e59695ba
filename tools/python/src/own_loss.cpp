#include "tools/python/src/own_loss.h"

#include <cstring>

#include "tools/python/src/array.h"
#include "tools/python/src/guarded.h"

namespace tandem::python {

namespace {

// The callable's own: it may write to them and keep them.
template <class T> Array copy_of(std::span<const T> from, const Shape& shape) {
    Tensor copy = new_tensor(shape, dtype_of<T>);
    if (!from.empty()) std::memcpy(copy.data(), from.data(), from.size_bytes());
    return {copy};
}

[[noreturn]] void refuse(const std::string& expected, const Tensor& got) {
    throw InputError("[loss] expected " + expected + ", got " + got.shape().text() + " in " +
                     python_name(got.dtype()));
}

void read_losses(nb::handle x, std::span<double> to) {
    const Tensor t = as_array(x).tensor;
    const Shape shape{std::int64_t(to.size())};
    if (t.shape() == shape && t.dtype() == DType::f64) std::copy_n(t.as<double>(), to.size(), to.data());
    else if (t.shape() == shape && t.dtype() == DType::f32) std::copy_n(t.as<float>(), to.size(), to.data());
    else refuse("losses " + shape.text() + " in float64 or float32", t);
}

void read_gradient(nb::handle x, const Shape& shape, std::span<float> to) {
    const Tensor t = as_array(x).tensor;
    if (t.shape() != shape || t.dtype() != DType::f32) refuse("dlogits " + shape.text() + " in float32", t);
    if (!to.empty()) std::memcpy(to.data(), t.data(), to.size_bytes());
}

struct CalledBack {
    CalledBack() { called_back = true; }
    ~CalledBack() { called_back = false; }
};

}  // namespace

void OwnLoss::call(const LossRows& rows) {
    const std::int64_t count = std::int64_t(rows.targets.size());
    const Shape shape{count, rows.vocab};
    nb::object result =
        loss_(copy_of(rows.logits, shape), copy_of(rows.targets, Shape{count}), rows.scale);
    if (!nb::isinstance<nb::tuple>(result) || nb::len(result) != 2)
        throw InputError("[loss] expected a pair (losses, dlogits) from it, got something else");
    read_losses(result[0], rows.losses);
    read_gradient(result[1], shape, rows.dlogits);
}

RowLoss OwnLoss::row_loss() {
    return [this](const LossRows& rows) {
        nb::gil_scoped_acquire acquired;
        const CalledBack now;
        try {
            call(rows);
        } catch (nb::python_error& e) {
            if (!raised_) raised_ = std::make_unique<nb::python_error>(std::move(e));
            throw Error("[loss] expected a loss and its gradient, got an exception");
        }
    };
}

void OwnLoss::rethrow() {
    if (std::unique_ptr<nb::python_error> raised = std::move(raised_)) throw nb::python_error(std::move(*raised));
}

}  // namespace tandem::python
