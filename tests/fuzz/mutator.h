// Damaged copies of real files, the same for the same seed on every machine.
#pragma once
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace tandem::fuzz {

class Mutator {
  public:
    // `seeds`: whole files, not empty.
    Mutator(std::vector<std::string> seeds, std::uint64_t seed) : seeds_(std::move(seeds)), random_(seed) {}

    // A seed with one to eight changes: bits, bytes, ranges lost, doubled, swapped or taken from another seed; numbers,
    // strings and brackets replaced by what readers stumble over.
    std::string next();

  private:
    std::size_t below(std::size_t n) { return n ? std::size_t(random_() % n) : 0; }
    void change(std::string& text);
    void change_range(std::string& text);
    void replace_token(std::string& text);
    std::vector<std::string> seeds_;
    std::mt19937_64 random_;
};

}  // namespace tandem::fuzz
