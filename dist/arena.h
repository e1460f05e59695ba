// Places buffers of unequal size in one allocation: at the lowest offset that fits, in the order of requests, never by
// what has already passed on a stream. So the same requests find the same places in every run.
#pragma once
#include <optional>
#include <vector>

#include "runtime/stream.h"

namespace tandem {

class Arena {
  public:
    struct Grant {
        std::size_t offset;
        std::vector<Event> after;  // to be waited for before the first write: the ends of earlier uses of these bytes
    };

    explicit Arena(std::size_t capacity) : capacity_(capacity) {}
    std::optional<Grant> place(std::size_t bytes);  // nothing where no gap is large enough
    void free(std::size_t offset, std::size_t bytes, std::vector<Event> after);
    std::size_t high_water() const { return high_water_; }  // end of the highest place ever given

  private:
    struct Range {
        std::size_t begin, end;
        std::vector<Event> after;
    };
    std::vector<Event> claim(std::size_t begin, std::size_t end);

    std::size_t capacity_, high_water_ = 0;
    std::vector<Range> used_;   // by offset
    std::vector<Range> freed_;  // apart from each other and from what is used
};

}  // namespace tandem
