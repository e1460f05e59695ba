// Sizes of a tensor, outermost first; at most four dimensions, always contiguous.
#pragma once
#include <array>
#include <cstdint>
#include <initializer_list>
#include <string>

#include "runtime/error.h"

namespace tandem {

class Shape {
  public:
    Shape() = default;
    Shape(std::initializer_list<std::int64_t> dims) {
        for (std::int64_t d : dims) push(d);
    }
    void push(std::int64_t d) {
        if (rank_ == 4 || d < 0) refuse(d);
        dims_[std::size_t(rank_++)] = d;
    }
    int rank() const { return rank_; }
    std::int64_t operator[](int i) const { return dims_[std::size_t(i < 0 ? i + rank_ : i)]; }  // -1 is the last
    std::int64_t elements() const {
        std::int64_t n = 1;
        for (int i = 0; i < rank_; i++) n *= dims_[std::size_t(i)];
        return n;
    }
    std::int64_t rows() const { return rank_ ? (dims_[std::size_t(rank_ - 1)] ? elements() / (*this)[-1] : 0) : 1; }
    bool operator==(const Shape&) const = default;
    std::string text() const {  // "[2, 3]"
        std::string s = "[";
        for (int i = 0; i < rank_; i++) s += (i ? ", " : "") + std::to_string((*this)[i]);
        return s + "]";
    }

  private:
    [[noreturn]] void refuse(std::int64_t d) const;
    std::array<std::int64_t, 4> dims_{};
    int rank_ = 0;
};

}  // namespace tandem
