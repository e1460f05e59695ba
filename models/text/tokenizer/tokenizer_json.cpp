#include "models/text/tokenizer/tokenizer_json.h"

#include "models/io/file_kind.h"
#include "runtime/error.h"

namespace tandem::text {
namespace {

// Follows the parser's events: Llama 3's vocabulary and merges as values cost four times the loading time.
class Handler final : public JsonEvents {
  public:
    Handler(const std::string& file, Json& rest) : file_(file), rest_(rest) {}
    Vocabulary take() { return std::move(out_); }
    [[noreturn]] void fail(const std::string& what) const { throw InputError("[" + file_ + "] " + what); }

    void scalar(Json v) override {
        bool text = v.is_string();
        if (in_ == In::vocab && v.is_number()) id(v);
        else if (in_ == In::merges && text) merge(v.string());
        else if (in_ == In::pair && text) half(v.string());
        else place(std::move(v));
    }
    void name(std::string text) override {
        key_ = std::move(text);
        if (in_ == In::rest && stack_.back()->find(key_)) fail("the member \"" + key_ + "\" stands twice");
    }
    void begin(Json::Kind kind) override {
        bool list = kind == Json::Kind::array, in_model = in_ == In::rest && stack_.size() == 2 && stack_[1] == model_;
        if (list && in_ == In::merges) {
            in_ = In::pair;
            pair_items_ = 0;
        } else if (in_model && key_ == (list ? "merges" : "vocab")) {
            in_ = list ? In::merges : In::vocab;
        } else {
            open(list ? Json(Json::Array()) : Json(Json::Object()));
        }
    }
    void end(Json::Kind) override {
        switch (in_) {
            case In::rest: stack_.pop_back(); return;
            case In::pair:
                if (pair_items_ != 2) fail(merge_path() + ": expected two tokens");
                in_ = In::merges;
                return;
            case In::vocab:
            case In::merges: in_ = In::rest; return;
        }
    }

  private:
    enum class In { rest, vocab, merges, pair };

    std::string merge_path() const { return "at model.merges[" + std::to_string(out_.merges.size()) + "]"; }

    void id(const Json& v) {
        if (v.kind() != Json::Kind::integer || v.integer() < 0 || v.integer() > largest_id)
            fail("at model.vocab: expected an id from 0 to " + std::to_string(largest_id) + " for \"" + key_ + "\"");
        out_.tokens.emplace_back(std::move(key_), std::int32_t(v.integer()));
    }
    void merge(const std::string& s) {
        if (s.starts_with("#version")) return;
        auto space = s.find(' ');
        if (space == s.npos || s.find(' ', space + 1) != s.npos)
            fail(merge_path() + ": expected two tokens with one space between, got \"" + s + "\"");
        out_.merges.emplace_back(s.substr(0, space), s.substr(space + 1));
    }
    void half(const std::string& s) {
        if (pair_items_ > 1) fail(merge_path() + ": expected two tokens, got a third, \"" + s + "\"");
        if (pair_items_++ == 0) left_ = s;
        else out_.merges.emplace_back(std::move(left_), s);
    }

    Json* place(Json v) {
        if (in_ == In::vocab) fail("at model.vocab: expected a whole number for \"" + key_ + "\"");
        if (in_ != In::rest) fail(merge_path() + ": expected tokens, got " + v.text());
        if (stack_.empty()) return &(rest_ = std::move(v));
        Json& parent = *stack_.back();
        if (parent.is_object()) return &(parent[key_] = std::move(v));
        return &parent.push_back(std::move(v));
    }
    void open(Json v) {
        bool model = stack_.size() == 1 && stack_[0]->is_object() && key_ == "model";
        stack_.push_back(place(std::move(v)));
        if (model) model_ = stack_.back();
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
    if (auto problem = read_json(bytes, handler)) {
        std::string kind = file_kind(bytes.substr(0, file_kind_bytes));
        handler.fail(kind.empty() ? "no valid JSON at byte " + std::to_string(problem->byte) + ": " + problem->what
                                  : "no valid JSON: " + kind);
    }
    return handler.take();
}

}  // namespace tandem::text
