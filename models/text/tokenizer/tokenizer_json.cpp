#include "models/text/tokenizer/tokenizer_json.h"

#include <nlohmann/json.hpp>

#include "runtime/error.h"

namespace tandem::text {
namespace {

// A SAX handler: Llama 3's vocabulary and merges as a DOM cost four times the loading time.
class Handler {
  public:
    Handler(const std::string& file, Json& rest) : file_(file), rest_(rest) {}
    Vocabulary take() { return std::move(out_); }

    bool null() { return value(nullptr); }
    bool boolean(bool v) { return value(v); }
    bool number_integer(std::int64_t v) { return in_ == In::vocab ? id(v) : value(v); }
    bool number_unsigned(std::uint64_t v) {
        if (in_ == In::vocab) return id(v > std::uint64_t(largest_id) ? -1 : std::int64_t(v));
        return value(v > std::uint64_t(INT64_MAX) ? Json(double(v)) : Json(v));
    }
    bool number_float(double v, const std::string&) { return value(v); }
    bool binary(nlohmann::json::binary_t&) { fail("binary data"); }

    bool string(std::string& s) {
        if (in_ == In::merges) {
            if (s.starts_with("#version")) return true;
            auto space = s.find(' ');
            if (space == s.npos || s.find(' ', space + 1) != s.npos)
                fail(merge_path() + ": expected two tokens with one space between, got \"" + s + "\"");
            out_.merges.emplace_back(s.substr(0, space), s.substr(space + 1));
            return true;
        }
        if (in_ == In::pair) {
            if (pair_items_ > 1) fail(merge_path() + ": expected two tokens, got a third, \"" + s + "\"");
            if (pair_items_++ == 0) left_ = std::move(s);
            else out_.merges.emplace_back(std::move(left_), std::move(s));
            return true;
        }
        return value(std::move(s));
    }

    bool key(std::string& k) {
        key_ = std::move(k);
        if (in_ == In::rest && stack_.back()->find(key_)) fail("the member \"" + key_ + "\" stands twice");
        return true;
    }

    bool start_object(std::size_t) {
        if (in_ == In::rest && in_model() && key_ == "vocab") {
            in_ = In::vocab;
            return true;
        }
        return open(Json::Object());
    }
    bool end_object() {
        if (in_ == In::vocab) in_ = In::rest;
        else stack_.pop_back();
        return true;
    }
    bool start_array(std::size_t) {
        if (in_ == In::merges) {
            in_ = In::pair;
            pair_items_ = 0;
            return true;
        }
        if (in_ == In::rest && in_model() && key_ == "merges") {
            in_ = In::merges;
            return true;
        }
        return open(Json::Array());
    }
    bool end_array() {
        if (in_ == In::pair) {
            if (pair_items_ != 2) fail(merge_path() + ": expected two tokens");
            in_ = In::merges;
        } else if (in_ == In::merges) {
            in_ = In::rest;
        } else {
            stack_.pop_back();
        }
        return true;
    }
    bool parse_error(std::size_t position, const std::string&, const nlohmann::json::exception& e) {
        fail("no valid JSON at byte " + std::to_string(position) + ": " + e.what());
    }

  private:
    enum class In { rest, vocab, merges, pair };

    [[noreturn]] void fail(const std::string& what) const { throw InputError("[" + file_ + "] " + what); }
    std::string merge_path() const { return "at model.merges[" + std::to_string(out_.merges.size()) + "]"; }
    bool in_model() const { return stack_.size() == 2 && stack_[1] == model_; }

    bool id(std::int64_t v) {
        if (v < 0 || v > largest_id)
            fail("at model.vocab: expected an id from 0 to " + std::to_string(largest_id) + " for \"" + key_ + "\"");
        out_.tokens.emplace_back(std::move(key_), std::int32_t(v));
        return true;
    }

    Json* place(Json v) {
        if (in_ == In::vocab) fail("at model.vocab: expected a whole number for \"" + key_ + "\"");
        if (in_ != In::rest) fail(merge_path() + ": expected tokens, got " + v.text());
        if (stack_.empty()) return &(rest_ = std::move(v));
        Json& parent = *stack_.back();
        if (parent.is_object()) return &(parent[key_] = std::move(v));
        return &parent.push_back(std::move(v));
    }
    bool value(Json v) {
        place(std::move(v));
        return true;
    }
    bool open(Json v) {
        if (stack_.size() >= 100) fail("nested deeper than 100 levels");
        bool model = stack_.size() == 1 && stack_[0]->is_object() && key_ == "model";
        stack_.push_back(place(std::move(v)));
        if (model) model_ = stack_.back();
        return true;
    }

    const std::string& file_;
    Json& rest_;
    Vocabulary out_;
    std::vector<Json*> stack_;  // open objects and arrays; only the innermost grows, so the pointers hold
    const Json* model_ = nullptr;
    std::string key_, left_;
    In in_ = In::rest;
    int pair_items_ = 0;
};

}  // namespace

Vocabulary parse_tokenizer_json(std::string_view bytes, const std::string& file, Json& rest) {
    Handler handler(file, rest);
    nlohmann::json::sax_parse(bytes.begin(), bytes.end(), &handler);
    return handler.take();
}

}  // namespace tandem::text
