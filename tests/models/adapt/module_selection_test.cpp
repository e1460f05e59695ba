#include "models/adapt/module_selection.h"

#include <doctest/doctest.h>

#include "models/io/json_fields.h"
#include "tests/models/io/support.h"

using namespace tandem;
using namespace tandem::test;

namespace {

ModuleSelection selection(const std::string& config) {
    Json json = parse_json(config, "a.json");
    return ModuleSelection::read(JsonFields(json, "a.json"), "a.json");
}

std::vector<std::string> paths() {
    std::vector<std::string> all;
    for (const char* layer : {"0", "1", "2", "11"})
        for (const char* module : {"self_attn.q_proj", "self_attn.v_proj", "mlp.up_proj"})
            all.push_back(std::string("model.layers.") + layer + "." + module);
    for (const char* other : {"h.1.q_proj", "q_proj", "lm_head"}) all.push_back(other);
    return all;
}

std::string selected(const ModuleSelection& s) {
    std::string marks;
    for (const std::string& path : paths()) marks += s.selects(path) ? '1' : '.';
    return marks;
}

std::string refusal(const std::string& config) {
    return message_of<InputError>([&] { selection(config).selects(paths()[0]); });
}

}  // namespace

// The marks are what check_target_module_exists of PEFT 0.21.2 answers for the same keys.
TEST_CASE("a selection of modules is PEFT's") {
    struct Case {
        const char *config, *marks;
    };
    for (
        const Case& c : std::initializer_list<Case>{
            {R"json({"target_modules": ["q_proj"]})json", "1..1..1..1..11."},
            {R"json({"target_modules": ["self_attn.q_proj", "up_proj"]})json", "1.11.11.11.1..."},
            {R"json({"target_modules": ["proj", "attn.q_proj", "roj"]})json", "..............."},
            {R"json({"target_modules": ["1.mlp.up_proj"]})json", ".....1........."},
            {R"json({"target_modules": ["model.layers.0.mlp.up_proj", "lm_head"]})json", "..1...........1"},
            {R"json({"target_modules": ["q_proj"], "layers_to_transform": 1})json", "...1.........1."},
            {R"json({"target_modules": ["q_proj"], "layers_to_transform": [0, 11]})json", "1........1...1."},
            {R"json({"target_modules": ["q_proj"], "layers_to_transform": []})json", "1..1..1..1..11."},
            {R"json({"target_modules": ["q_proj"], "layers_to_transform": [-1, 99]})json", ".............1."},
            {R"json({"target_modules": ["up_proj"], "layers_to_transform": [1], "layers_pattern": "layers"})json",
             ".....1........."},
            {R"json({"target_modules": ["q_proj"], "layers_to_transform": [1], "layers_pattern": ["h", "layers"]})json",
             "...1........11."},
            {R"json({"target_modules": ["q_proj"], "layers_to_transform": [1], "layers_pattern": "h"})json",
             "............11."},
            {R"json({"target_modules": ["q_proj"], "layers_to_transform": [1], "layers_pattern": "layers|h"})json",
             "............11."},
            {R"json({"target_modules": ["q_proj"], "layers_to_transform": [1], "layers_pattern": "(?:layers|h)"})json",
             "...1........11."},
            {R"json({"target_modules": ["q_proj"], "layers_to_transform": [1], "layers_pattern": []})json",
             "...1.........1."},
            {R"json({"target_modules": ["q_proj"], "layers_to_transform": [1], "layers_pattern": "block"})json",
             ".............1."},
            {R"json({"target_modules": ["model.layers.0.mlp.up_proj", "q_proj"], "layers_to_transform": [2]})json",
             "..1...1......1."},
            {R"json({"target_modules": ".*(q_proj|up_proj)"})json", "1.11.11.11.111."},
            {R"json({"target_modules": "model\\.layers\\.(1|2)\\..*"})json", "...111111......"},
            {R"json({"target_modules": "q_proj"})json", ".............1."},
            {R"json({"target_modules": ".*\\.\\d\\.mlp.*"})json", "..1..1..1......"},
            {R"json({"target_modules": ["q_proj", "up_proj"], "exclude_modules": ["up_proj"]})json", "1..1..1..1..11."},
            {R"json({"target_modules": ["q_proj"], "exclude_modules": ["layers.1.self_attn.q_proj", "q_pro"]})json",
             "1.....1..1..11."},
            {R"json({"target_modules": ["q_proj"], "exclude_modules": ".*\\.[01]\\..*"})json", "......1..1...1."},
            {R"json({"target_modules": ".*_proj", "exclude_modules": ".*v_proj"})json", "1.11.11.11.111."},
            {R"json({"target_modules": ["q_proj"], "exclude_modules": "q_proj"})json", "1..1..1..1..1.."},
            {R"json({"target_modules": ["q_proj"], "exclude_modules": []})json", "1..1..1..1..11."},
            {R"json({"target_modules": ["q_proj"], "layers_to_transform": [0, 1], "exclude_modules": ".*0\\..*"})json",
             "...1.........1."},
        }) {
        CAPTURE(c.config);
        CHECK(selected(selection(c.config)) == c.marks);
    }
    // PEFT replaces it by the model's linear layers without the head.
    CHECK(selected(selection(R"({"target_modules": "all-linear"})")) == "11111111111111.");
    CHECK(selected(selection(R"({"target_modules": "ALL-linear", "exclude_modules": ["v_proj"]})")) ==
          "1.11.11.11.111.");
    CHECK(selected(ModuleSelection({"v_proj", "v_proj"})) == ".1..1..1..1....");
    CHECK(selected(ModuleSelection()) == "...............");
}

TEST_CASE("a selection of modules names its file and key where it cannot be") {
    auto refused = [](const std::string& config, const std::string& says) {
        CHECK_MESSAGE(contains(refusal(config), "a.json: \"" + says), config << ": " << refusal(config));
    };
    refused("{}", "target_modules\" is missing");
    refused(R"({"target_modules": []})", "target_modules\" is missing");
    refused(R"({"target_modules": ["q_proj", ""]})", "target_modules\" must hold names");
    refused(R"({"target_modules": ["q_proj", 1]})", "target_modules\" must hold strings");
    refused(R"({"target_modules": "(q_proj"})", "target_modules\" is the pattern '(q_proj', which does not compile");
    refused(R"({"target_modules": "(.+)+[0-9]"})", "target_modules\" is the pattern");
    refused(R"({"target_modules": ["q_proj"], "exclude_modules": "("})", "exclude_modules\" is the pattern");
    refused(R"({"target_modules": ["q_proj"], "exclude_modules": 3})", "exclude_modules\" must be a string");
    refused(R"({"target_modules": ["q_proj"], "layers_to_transform": ["1"]})", "layers_to_transform\" must be an");
    refused(R"({"target_modules": ["q_proj"], "layers_pattern": "layers"})", "layers_pattern\" needs layers_to");
    refused(R"({"target_modules": ["q_proj"], "layers_to_transform": 1, "layers_pattern": "("})",
            "layers_pattern\" is the pattern");
    for (const char* text : {"all-linear", ".*q_proj"}) {
        std::string targets = R"({"target_modules": ")" + std::string(text) + '"';
        refused(targets + R"(, "layers_to_transform": 0})", "layers_to_transform\" needs a list of target_modules");
        refused(targets + R"(, "layers_pattern": "layers"})", "layers_pattern\" needs a list of target_modules");
    }
}

TEST_CASE("selections are equal where they are written alike") {
    const char* one = R"({"target_modules": ["v", "q", "q"], "layers_to_transform": [0, 1], "exclude_modules": ["a"]})";
    CHECK(selection(one) ==
          selection(R"({"target_modules": ["q", "v"], "layers_to_transform": [0, 1], "exclude_modules": ["a", "a"]})"));
    for (const char* other :
         {R"({"target_modules": ["q"], "layers_to_transform": [0, 1], "exclude_modules": ["a"]})",
          R"({"target_modules": ["q", "v"], "layers_to_transform": [0, 2], "exclude_modules": ["a"]})",
          R"({"target_modules": ["q", "v"], "layers_to_transform": [0, 1]})",
          R"({"target_modules": ["q", "v"], "layers_to_transform": [0, 1], "exclude_modules": ["a"],
              "layers_pattern": "h"})"})
        CHECK_FALSE(selection(one) == selection(other));
    CHECK(selection(one).without({"v", "w"}).text() == R"(["q"])");
    CHECK(selection(R"({"target_modules": ".*"})").without({".*"}).text() == R"(".*")");
    CHECK(ModuleSelection({"q_proj", "proj", "w1"}).targets_beside(paths()) == std::vector<std::string>{"proj", "w1"});
}
