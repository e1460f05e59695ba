// Numbers to tensors and back, on any device, whatever the type.
#pragma once
#include <cstring>
#include <vector>

#include "runtime/context.h"

namespace tandem {

template <class T = double> std::vector<T> numbers_of(Context& ctx, const Tensor& t) {
    std::vector<T> v(std::size_t(t.elements()));
    std::vector<std::byte> bytes(t.bytes());
    ctx.download(bytes, t);
    auto convert = [&]<class E>() {
        for (std::size_t i = 0; i < v.size(); i++) {
            E e;
            std::memcpy(&e, bytes.data() + i * sizeof(E), sizeof(E));
            v[i] = T(e);
        }
    };
    if (t.dtype() == DType::i32)
        convert.template operator()<std::int32_t>();
    else
        visit_compute(t.dtype(), convert);
    return v;
}
inline std::vector<double> values_of(Context& ctx, const Tensor& t) { return numbers_of<double>(ctx, t); }
inline double value_of(Context& ctx, const Tensor& t) { return values_of(ctx, t).at(0); }

inline void set_values(Context& ctx, const Tensor& t, const std::vector<double>& values) {
    visit_compute(t.dtype(), [&]<class E>() {
        std::vector<E> v(values.size());
        for (std::size_t i = 0; i < v.size(); i++) v[i] = E(values[i]);
        ctx.upload(t, std::as_bytes(std::span(v)));
    });
}
inline Tensor tensor_of(Context& ctx, const Shape& shape, DType dtype, const std::vector<double>& values) {
    Tensor t = ctx.empty(shape, dtype, "test");
    set_values(ctx, t, values);
    return t;
}
inline Tensor indices_of(Context& ctx, const std::vector<std::int32_t>& values) {
    Tensor t = ctx.empty({std::int64_t(values.size())}, DType::i32, "test");
    ctx.upload(t, std::as_bytes(std::span(values)));
    return t;
}

}  // namespace tandem
