// A text on its way through normalizers and pre-tokenizers; every byte knows which bytes of the input it came from.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tandem::text {

struct Origin {
    std::uint32_t begin, end;  // bytes of the input; empty for what was inserted
};

class AlignedText {
  public:
    AlignedText() = default;
    explicit AlignedText(std::string_view input);  // below 4 GiB

    std::string_view view() const { return bytes_; }
    std::string_view view(std::size_t begin, std::size_t end) const { return view().substr(begin, end - begin); }
    std::size_t size() const { return bytes_.size(); }
    Origin origin(std::size_t begin, std::size_t end) const;  // of the bytes [begin, end), not empty

    void reserve(std::size_t bytes);
    void append(const AlignedText& from, std::size_t begin, std::size_t end);
    void append(std::string_view bytes, Origin origin);
    void insert_before(const AlignedText& from, std::size_t at, std::string_view bytes);  // where from[at] stood

  private:
    std::string bytes_;
    std::vector<Origin> origin_;
};

// A part of the text: still to be tokenized, or already an added token.
struct Split {
    std::size_t begin, end;
    std::int32_t token = -1;
};

struct PreTokenized {
    AlignedText text;
    std::vector<Split> splits;  // in order, none empty
};

}  // namespace tandem::text
