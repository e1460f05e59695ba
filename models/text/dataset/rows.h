// Rows: what a step counts as its samples. Without packing a row is one sample; with it, whole samples one after the
// other as the file has them, as many as the context holds. The samples of a row stay documents of their own
// (cu_seqlens): none sees another, and the first label of each is not a target. Rows are made once, not for each epoch,
// so every epoch has the same number of steps.
#pragma once
#include "models/text/dataset/dataset.h"

namespace tandem {

enum class Packing { no, yes };

class Rows {
  public:
    Rows(const Dataset& data, Packing packing, std::int64_t context_length);
    std::int64_t size() const { return std::int64_t(begins_.size()) - 1; }

    struct Range {
        std::int64_t begin, end;  // samples of the data set
        bool operator==(const Range&) const = default;
    };
    Range operator[](std::int64_t row) const { return {begins_[std::size_t(row)], begins_[std::size_t(row) + 1]}; }
    Dataset::Largest largest() const { return largest_; }  // of any row

  private:
    std::vector<std::int64_t> begins_;
    Dataset::Largest largest_;
};

}  // namespace tandem
