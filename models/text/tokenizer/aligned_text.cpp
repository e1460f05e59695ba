#include "models/text/tokenizer/aligned_text.h"

namespace tandem::text {

AlignedText::AlignedText(std::string_view input) : bytes_(input), origin_(input.size()) {
    for (std::uint32_t i = 0; i < input.size(); i++) origin_[i] = {i, i + 1};
}

Origin AlignedText::origin(std::size_t begin, std::size_t end) const {
    return {origin_[begin].begin, origin_[end - 1].end};
}

void AlignedText::reserve(std::size_t bytes) {
    bytes_.reserve(bytes);
    origin_.reserve(bytes);
}

void AlignedText::append(const AlignedText& from, std::size_t begin, std::size_t end) {
    bytes_.append(from.bytes_, begin, end - begin);
    origin_.insert(origin_.end(), from.origin_.begin() + std::ptrdiff_t(begin),
                   from.origin_.begin() + std::ptrdiff_t(end));
}

void AlignedText::append(std::string_view bytes, Origin origin) {
    bytes_ += bytes;
    origin_.insert(origin_.end(), bytes.size(), origin);
}

void AlignedText::insert_before(const AlignedText& from, std::size_t at, std::string_view bytes) {
    std::uint32_t place = from.origin_[at].begin;
    append(bytes, {place, place});
}

}  // namespace tandem::text
