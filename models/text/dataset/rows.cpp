#include "models/text/dataset/rows.h"

#include <algorithm>

namespace tandem {

Rows::Rows(const Dataset& data, Packing packing, std::int64_t context_length) {
    Dataset::Largest row;
    for (std::int64_t i = 0; i < data.size(); i++) {
        if (begins_.empty() || packing == Packing::no || row.length + data.length(i) > context_length) {
            begins_.push_back(i);
            row = {};
        }
        row.length += data.length(i);
        row.supervised += data.supervised(i);
        largest_.length = std::max(largest_.length, row.length);
        largest_.supervised = std::max(largest_.supervised, row.supervised);
    }
    begins_.push_back(data.size());
}

}  // namespace tandem
