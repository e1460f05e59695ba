// Text from a model, token by token, with a cache of keys and values. Every rank runs the same tokens.
#pragma once
#include <optional>

#include "models/llama/graph.h"

namespace tandem {

struct GenerateSettings {
    std::int64_t max_new_tokens = 128;
    double temperature = 0;          // 0: the most likely token, the lowest id where several are
    std::uint64_t seed = 42;
    std::vector<int> eos_ids = {};   // each ends the text; empty: only max_new_tokens does
};

enum class AnswerEnd { eos, max_new_tokens, capacity };  // capacity: cut, for want of room

struct Answer {
    std::vector<std::int32_t> ids;  // the new tokens, an ending EOS included
    AnswerEnd end = AnswerEnd::eos;
};

class Generator {
  public:
    // The cache, for prompts and answers of `capacity` tokens together, is allocated here and kept.
    Generator(Context& ctx, const Llama& model, LayerStore& store, std::int64_t capacity);

    // An InputError if the prompt is empty, holds an id outside the vocabulary, or leaves no room.
    void check(std::span<const std::int32_t> prompt) const;
    // Token by token. check() first; begin() computes nothing, next() is the next token, none after the last. NotFinite
    // if a token's logits are not. What is computed between two calls must not use this generator.
    void begin(std::span<const std::int32_t> prompt, const GenerateSettings& settings);
    std::optional<std::int32_t> next();
    AnswerEnd end() const { return end_; }  // after the last
    // All of them at once.
    Answer run(std::span<const std::int32_t> prompt, const GenerateSettings& settings);

    // Runs each phase once at its largest, for the memory plan.
    void plan();

  private:
    std::vector<float> next_logits(std::span<const std::int32_t> tokens, const char* phase);
    std::vector<float> next_logits(const HostBatch& host, const char* phase);
    Context& ctx_;
    const Llama& model_;
    LayerStore& store_;
    std::int64_t capacity_;
    KvCaches caches_;

    GenerateSettings settings_;           // of begin(), as is what follows
    std::vector<std::int32_t> unread_;    // what the model has not seen of prompt and answer
    std::int64_t made_ = 0, room_ = 0;    // tokens of the answer: so far, at most
    AnswerEnd end_ = AnswerEnd::eos;
};

}  // namespace tandem
