// What a quantized weight consists of, and where each part lies in its bytes.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "runtime/dtype.h"

namespace tandem {

struct QuantPart {
    const char* name;
    DType dtype;
    std::int64_t elements;
    std::size_t at;  // bytes from the weight's first

    std::size_t bytes() const { return std::size_t(elements) * size_of(dtype); }
    std::size_t end() const { return at + bytes(); }
};

// In the order of their bytes. Groups of parts begin at multiples of 1024 bytes, so that a rank's range can begin at
// any such multiple and still hold whole blocks of every part.
class QuantParts {
  public:
    static constexpr std::size_t alignment = 1024;

    // The first of a group.
    QuantParts& add(const char* name, DType dtype, std::int64_t n) { return put(bytes(), name, dtype, n); }
    // Right behind the last one, in its group; the bytes so far are a multiple of an element's.
    QuantParts& join(const char* name, DType dtype, std::int64_t n) { return put(end_, name, dtype, n); }

    std::size_t bytes() const { return (end_ + alignment - 1) / alignment * alignment; }
    int size() const { return size_; }
    const QuantPart& operator[](int i) const { return parts_[std::size_t(i)]; }
    // Zeros into what lies between the parts and behind the last one.
    void clear_between(std::byte* weight) const {
        for (int i = 0; i < size_; i++) {
            const std::size_t end = (*this)[i].end(), next = i + 1 < size_ ? (*this)[i + 1].at : bytes();
            std::memset(weight + end, 0, next - end);
        }
    }
    const QuantPart* begin() const { return parts_.data(); }
    const QuantPart* end() const { return parts_.data() + size_; }

  private:
    QuantParts& put(std::size_t at, const char* name, DType dtype, std::int64_t elements) {
        parts_[std::size_t(size_)] = {name, dtype, elements, at};
        end_ = parts_[std::size_t(size_++)].end();
        return *this;
    }

    std::array<QuantPart, 8> parts_{};
    int size_ = 0;
    std::size_t end_ = 0;
};

}  // namespace tandem
