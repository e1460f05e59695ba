#include "models/text/chat_template.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>

#include "models/text/jinja_fingerprint.h"
#include "models/text/tokenizer/utf8.h"
#include "runtime/error.h"
#include "runtime/joined.h"
#include "runtime/utf8.h"

namespace tandem {
namespace {

// What a template is given, and the text it writes.
struct Rendering {
    const std::vector<Message>& messages;
    const SpecialStrings& special;
    GenerationPrompt prompt;
    Rendered out{};

    void write(std::string_view s) { out.text += s; }
    // What the assistant says, end token included.
    void write_supervised(std::string_view content, std::string_view end) {
        std::size_t begin = out.text.size();
        write(content);
        write(end);
        out.supervised.push_back({begin, out.text.size()});
    }
    const std::string& bos() const { return defined(special.bos, "bos_token"); }
    const std::string& eos() const { return defined(special.eos, "eos_token"); }
    const Message& first() const {
        if (messages.empty()) throw InputError("list object has no element 0");  // Jinja's words
        return messages[0];
    }

  private:
    static const std::string& defined(const std::string& s, const char* name) {
        if (s.empty()) throw InputError(fmt::format("'{}' is undefined", name));
        return s;
    }
};

// Python's str.strip(): White_Space and the four separators from U+001C.
std::string_view strip(std::string_view s) {
    auto is_space = [](std::uint32_t c) { return text::is_white_space(c) || (c >= 0x1C && c <= 0x1F); };
    while (!s.empty() && is_space(text::code_point(s, 0))) s.remove_prefix(text::char_bytes(s[0]));
    while (!s.empty()) {
        std::size_t last = s.size() - 1;
        while ((s[last] & 0xC0) == 0x80) last--;
        if (!is_space(text::code_point(s, last))) break;
        s = s.substr(0, last);
    }
    return s;
}

void require_alternation(const Message& m, std::size_t index) {
    if ((m.role == "user") != (index % 2 == 0))
        throw InputError("Conversation roles must alternate user/assistant/user/assistant/...");
}

void llama2(Rendering& c) {
    std::optional<std::string> system;
    if (c.first().role == "system") system = c.first().content;
    for (std::size_t i = 0; i + system.has_value() < c.messages.size(); i++) {
        const Message& m = c.messages[i + system.has_value()];
        require_alternation(m, i);
        std::string content = m.content;
        if (i == 0 && system) content = "<<SYS>>\n" + *system + "\n<</SYS>>\n\n" + content;
        if (m.role == "user") {
            c.write(c.bos());
            c.write("[INST] ");
            c.write(strip(content));
            c.write(" [/INST]");
        } else if (m.role == "assistant") {
            c.write(" ");
            c.write_supervised(strip(content), " " + c.eos());
        }
    }
}

void llama3_turn(Rendering& c, const Message& m) {
    c.write("<|start_header_id|>");
    c.write(m.role);
    c.write("<|end_header_id|>\n\n");
    if (m.role == "assistant") {
        c.write_supervised(strip(m.content), "<|eot_id|>");
    } else {
        c.write(strip(m.content));
        c.write("<|eot_id|>");
    }
}

void llama3_prompt(Rendering& c) { c.write("<|start_header_id|>assistant<|end_header_id|>\n\n"); }

void llama3_turns(Rendering& c) {
    if (!c.messages.empty()) c.write(c.bos());
    for (const Message& m : c.messages) llama3_turn(c, m);
}

void llama3(Rendering& c) {
    llama3_turns(c);
    if (c.prompt == GenerationPrompt::add) llama3_prompt(c);
}

void llama3_always_prompt(Rendering& c) {
    llama3_turns(c);
    llama3_prompt(c);
}

void llama31(Rendering& c) {
    bool system = c.first().role == "system";
    c.write(c.special.bos);
    c.write("<|start_header_id|>system<|end_header_id|>\n\nCutting Knowledge Date: December 2023\n");
    c.write("Today Date: 26 Jul 2024\n\n");
    if (system) c.write(strip(c.first().content));
    c.write("<|eot_id|>");
    for (std::size_t i = system; i < c.messages.size(); i++) llama3_turn(c, c.messages[i]);
    if (c.prompt == GenerationPrompt::add) llama3_prompt(c);
}

void mistral_turns(Rendering& c, std::string_view behind_eos) {
    c.write(c.special.bos);
    for (std::size_t i = 0; i < c.messages.size(); i++) {
        const Message& m = c.messages[i];
        require_alternation(m, i);
        if (m.role == "user") {
            c.write("[INST] ");
            c.write(m.content);
            c.write(" [/INST]");
        } else if (m.role == "assistant") {
            c.write_supervised(m.content, c.eos());
            c.write(behind_eos);
        } else {
            throw InputError("Only user and assistant roles are supported!");
        }
    }
}

void mistral(Rendering& c) { mistral_turns(c, ""); }
void mistral_v01(Rendering& c) { mistral_turns(c, " "); }

void chatml_with(Rendering& c, std::string_view default_system) {
    auto turn = [&](std::string_view role, std::string_view content) {
        c.write("<|im_start|>");
        c.write(role);
        c.write("\n");
        if (role == "assistant") {
            c.write_supervised(content, "<|im_end|>");
        } else {
            c.write(content);
            c.write("<|im_end|>");
        }
        c.write("\n");
    };
    if (!default_system.empty() && !c.messages.empty() && c.messages[0].role != "system")
        turn("system", default_system);
    for (const Message& m : c.messages) turn(m.role, m.content);
    if (c.prompt == GenerationPrompt::add) c.write("<|im_start|>assistant\n");
}

void chatml(Rendering& c) { chatml_with(c, ""); }
void qwen15(Rendering& c) { chatml_with(c, "You are a helpful assistant"); }
void qwen2(Rendering& c) { chatml_with(c, "You are a helpful assistant."); }
void smollm2(Rendering& c) { chatml_with(c, "You are a helpful AI assistant named SmolLM, trained by Hugging Face"); }
void qwen25(Rendering& c) {
    c.first();
    chatml_with(c, "You are Qwen, created by Alibaba Cloud. You are a helpful assistant.");
}
void qwen25_base(Rendering& c) {
    c.first();
    qwen2(c);
}

struct Known {
    std::string_view name;
    void (*render)(Rendering&);
    std::uint64_t fingerprint;  // of the published Jinja text
};

constexpr std::array known_templates = {
    Known{"llama2", llama2, 0xF03D44D861875895},
    Known{"llama3", llama3, 0xEFD060BFE776342B},
    // As first published: the assistant's turn is always opened.
    Known{"llama3-prompt", llama3_always_prompt, 0x10E0D55D622DF4DF},
    Known{"llama3.1", llama31, 0xCEE3808968209300},
    Known{"mistral", mistral, 0x3A072F0D2AC0D832},
    Known{"mistral-v0.1", mistral_v01, 0x86EA4C540B81EDF0},
    Known{"chatml", chatml, 0xE46880FC1F648793},
    Known{"qwen1.5", qwen15, 0x168DEB3E44334FBA},
    Known{"qwen2", qwen2, 0xC257B072C115B334},
    Known{"qwen2.5", qwen25, 0x0EFF7BADCC1A6331},
    Known{"qwen2.5-base", qwen25_base, 0x03CFB2059065F15D},
    Known{"smollm2", smollm2, 0x49C4A795817CF62D},
};

}  // namespace

ChatTemplate ChatTemplate::named(std::string_view name) {
    if (std::ranges::find(known_templates, name, &Known::name) == known_templates.end())
        throw InputError(fmt::format("[chat template] \"{}\" is not known; set {} to one of {}", name,
                                     setting("chat_template"), joined(names())));
    return ChatTemplate(std::string(name));
}

ChatTemplate ChatTemplate::recognise(std::string_view jinja) {
    std::uint64_t fingerprint = jinja_fingerprint(jinja);
    auto it = std::ranges::find(known_templates, fingerprint, &Known::fingerprint);
    if (it == known_templates.end())
        throw InputError(fmt::format("[chat template] the model's template (fingerprint {:#018x}) is not known; "
                                     "set {} to one of these that fits it: {}",
                                     fingerprint, setting("chat_template"), joined(names())));
    return ChatTemplate(std::string(it->name));
}

std::vector<std::string> ChatTemplate::names() {
    std::vector<std::string> out;
    for (const Known& k : known_templates) out.emplace_back(k.name);
    return out;
}

Rendered ChatTemplate::render(const std::vector<Message>& messages, const SpecialStrings& special,
                              GenerationPrompt prompt) const {
    for (const Message& m : messages) {
        if (m.role != "system" && m.role != "user" && m.role != "assistant")
            throw InputError(fmt::format("[chat template {}] expected the role system, user or assistant, got \"{}\"",
                                         name_, m.role));
        if (valid_utf8(m.content) < m.content.size())
            throw InputError(fmt::format("[chat template {}] a message is not UTF-8; convert it", name_));
    }
    Rendering rendering{messages, special, prompt};
    try {
        std::ranges::find(known_templates, name_, &Known::name)->render(rendering);
    } catch (const InputError& e) {
        throw InputError(fmt::format("[chat template {}] {}", name_, e.message()));
    }
    return std::move(rendering.out);
}

std::string ChatTemplate::end_token(const SpecialStrings& special) const {
    Rendered r = render({{"user", ""}, {"assistant", ""}}, special, GenerationPrompt::none);
    const Rendered::Span& said = r.supervised.back();
    return std::string(strip(std::string_view(r.text).substr(said.begin, said.end - said.begin)));
}

}  // namespace tandem
