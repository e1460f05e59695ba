// Text to ids and back, as a checkpoint's tokenizer.json says (Hugging Face tokenizers' format): byte-level and
// byte-fallback BPE. Thread-safe after loading.
#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tandem {

struct Encoding {
    std::vector<std::int32_t> ids;
    // The bytes [begin, end) of the input text that each id stands for; empty ranges for what a post-processor adds.
    struct Span { std::size_t begin, end; };
    std::vector<Span> spans;
};

enum class SpecialTokens { none, add };   // what the post-processor puts around a text (BOS)
enum class DecodeSpecial { keep, skip };

class Tokenizer {
  public:
    // tokenizer.json, and the tokens that added_tokens_decoder of a tokenizer_config.json beside it adds: the ids of
    // these are below `model_vocabulary`. An InputError names the file and what in it is wrong or not supported.
    static Tokenizer load(const std::filesystem::path& file, std::int64_t model_vocabulary = INT64_MAX);
    Tokenizer(Tokenizer&&) noexcept;
    Tokenizer& operator=(Tokenizer&&) noexcept;
    ~Tokenizer();

    // Special tokens written in the text are recognised as such. The text must be UTF-8.
    Encoding encode(std::string_view text, SpecialTokens add) const;
    // Ids that the vocabulary lacks (a model's padding rows) give nothing, as in the library.
    std::string decode(std::span<const std::int32_t> ids, DecodeSpecial special) const;

    std::optional<std::int32_t> id_of(std::string_view token) const;  // of a token's exact content, added tokens too
    std::string_view token(std::int32_t id) const;                    // as it stands in the vocabulary
    std::int32_t size() const;                                        // largest id + 1, added tokens included

  private:
    struct Model;
    explicit Tokenizer(std::unique_ptr<Model> model);
    std::unique_ptr<Model> model_;
};

}  // namespace tandem
