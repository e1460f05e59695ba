#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include "tools/python/src/array.h"
#include "tools/python/src/bindings.h"
#include "tools/python/src/model_session.h"
#include "tools/python/src/token_ids.h"

namespace tandem::python {

namespace {

using Ids = ModelSession::Ids;
using Turns = std::vector<std::pair<std::string, std::string>>;  // role, content

const TextTools& tools_of(const Model& model) {
    if (const TextTools* tools = model.text_tools()) return *tools;
    throw InputError("[model] expected tokenizer.json in " + model.name + ", got none; give ids instead of text");
}

std::string chat_text(const Model& model, const Turns& turns, GenerationPrompt prompt) {
    const TextTools& tools = tools_of(model);
    std::vector<Message> messages;
    for (const auto& [role, content] : turns) messages.push_back({role, content});
    return tools.chat_template().render(messages, tools.special, prompt).text;
}

std::vector<int> eos_ids(const Model& model) {
    return model.tokenizer && model.text.chat ? model.chat_eos_ids() : model.eos_ids();
}

std::uint64_t begin(ModelSession& m, nb::handle prompt, GenerateSettings settings) {
    const Ids ids = token_ids(prompt);
    nb::gil_scoped_release released;
    return m.begin(ids, settings);
}

void define_text(nb::class_<ModelSession>& session) {
    session
        .def("encode",
             [](const ModelSession& s, const std::string& text, nb::bool_ special) {
                 return tools_of(s.model())
                     .tokenizer->encode(text, special ? SpecialTokens::add : SpecialTokens::none)
                     .ids;
             },
             nb::arg("text"), nb::arg("add_special_tokens"))
        .def("encode_whole",
             [](const ModelSession& s, const std::string& text) {
                 return encode_whole(*tools_of(s.model()).tokenizer, text).ids;
             },
             nb::arg("text"))
        .def("decode",
             [](const ModelSession& s, nb::handle ids, nb::bool_ skip) {
                 const Tokenizer& tokenizer = *tools_of(s.model()).tokenizer;
                 return tokenizer.decode(token_ids(ids), skip ? DecodeSpecial::skip : DecodeSpecial::keep);
             },
             nb::arg("ids"), nb::arg("skip_special_tokens"))
        .def("chat_text",
             [](const ModelSession& s, const Turns& turns, nb::bool_ add_generation_prompt) {
                 return chat_text(s.model(), turns,
                                  add_generation_prompt ? GenerationPrompt::add : GenerationPrompt::none);
             },
             nb::arg("turns"), nb::arg("add_generation_prompt"));
}

}  // namespace

void bind_model(nb::module_& m) {
    nb::class_<ModelSession> session(m, "ModelSession", "What tandem.Model is made of.");
    session
        .def("__init__",
             [](ModelSession* self, const nb::dict& settings, const std::optional<std::string>& adapter) {
                 const Arguments arguments = arguments_of(settings);
                 nb::gil_scoped_release released;
                 new (self) ModelSession(arguments, adapter);
             },
             nb::arg("settings"), nb::arg("adapter").none())
        .def_prop_ro("notes", &ModelSession::notes)
        .def_prop_ro("vocab_size", [](const ModelSession& s) { return s.model().config.vocab; })
        .def_prop_ro("context_length", [](const ModelSession& s) { return s.recipe().context_length; })
        .def_prop_ro("has_tokenizer", [](const ModelSession& s) { return bool(s.model().tokenizer); })
        .def_prop_ro("eos_ids", [](const ModelSession& s) { return eos_ids(s.model()); })
        .def("logits",
             [](ModelSession& s, nb::handle x) {
                 const Ids ids = token_ids(x);
                 nb::gil_scoped_release released;
                 return Array{s.logits(ids)};
             },
             nb::arg("ids"))
        .def("loss",
             [](ModelSession& s, nb::handle x, nb::handle y) {
                 const Ids ids = token_ids(x), labels = y.is_none() ? ids : token_ids(y);
                 nb::gil_scoped_release released;
                 return s.loss(ids, labels);
             },
             nb::arg("ids"), nb::arg("labels").none())
        .def("begin",
             [](ModelSession& s, nb::handle prompt, std::int64_t max_new_tokens, double temperature,
                std::int64_t seed, nb::bool_ ignore_eos) {
                 GenerateSettings settings = generate_settings({max_new_tokens, temperature, seed});
                 if (!ignore_eos) settings.eos_ids = eos_ids(s.model());
                 return begin(s, prompt, settings);
             },
             nb::arg("prompt"), nb::kw_only(), nb::arg("max_new_tokens"), nb::arg("temperature"), nb::arg("seed"),
             nb::arg("ignore_eos"))
        .def("next", &ModelSession::next, nb::arg("text"), nb::call_guard<nb::gil_scoped_release>())
        .def("close", &ModelSession::close, nb::call_guard<nb::gil_scoped_release>());
    define_text(session);
    m.def("describe_model_settings", [] { return described(default_model_recipe()); },
          nb::sig("def describe_model_settings() -> list[tuple[str, str, str, str]]"));
}

}  // namespace tandem::python
