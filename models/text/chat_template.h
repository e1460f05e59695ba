// Chat templates, each written out as code and recognised by the Jinja text that a checkpoint carries: for plain
// conversations (role and content strings) the rendering equals the Jinja's, byte for byte.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace tandem {

struct Message {
    std::string role, content;  // "system" | "user" | "assistant"
};

struct Rendered {
    std::string text;
    struct Span { std::size_t begin, end; };  // bytes
    std::vector<Span> supervised;             // of each turn of the assistant, in order: what it says and its end token
};

struct SpecialStrings {
    std::string bos, eos;  // of tokenizer_config.json; empty where it has none
};

enum class GenerationPrompt { none, add };  // what opens the assistant's turn, at the end

class ChatTemplate {
  public:
    // By its name; an InputError lists the known names.
    static ChatTemplate named(std::string_view name);
    // By the Jinja text of tokenizer_config.json or chat_template.jinja; an InputError lists the names for
    // --chat-template.
    static ChatTemplate recognise(std::string_view jinja);
    static std::vector<std::string> names();

    const std::string& name() const { return name_; }
    // An InputError carries the template's own message (roles that do not alternate, …).
    Rendered render(const std::vector<Message>& messages, const SpecialStrings& special,
                    GenerationPrompt prompt) const;
    // What ends the assistant's turn.
    std::string end_token(const SpecialStrings& special) const;

  private:
    explicit ChatTemplate(std::string name) : name_(std::move(name)) {}
    std::string name_;
};

}  // namespace tandem
