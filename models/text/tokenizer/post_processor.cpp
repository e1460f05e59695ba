#include "models/text/tokenizer/post_processor.h"

namespace tandem::text {
namespace {

Frame read_template(const JsonNode& node, std::int32_t vocabulary_size) {
    Frame frame;
    bool inside = false;
    JsonNode special = node.at("special_tokens");
    for (const JsonNode& piece : node.at("single").items()) {
        if (auto token = piece.find("SpecialToken")) {
            auto& ids = inside ? frame.after : frame.before;
            for (const JsonNode& id : special.at(token->at("id").string()).at("ids").items())
                ids.push_back(std::int32_t(id.integer(0, vocabulary_size - 1)));
        } else if (piece.at("Sequence").at("id").string() != "A" || inside) {
            piece.fail("expected the sequence A once, got " + piece.text());
        } else {
            inside = true;
        }
    }
    if (!inside) node.at("single").fail("expected the sequence A, found none");
    return frame;
}

}  // namespace

Frame read_post_processor(const JsonNode& node, std::int32_t vocabulary_size) {
    if (node.is_null()) return {};
    std::string type = node.at("type").string();
    if (type == "ByteLevel") return {};
    if (type == "TemplateProcessing") return read_template(node, vocabulary_size);
    if (type != "Sequence")
        node.at("type").fail("the post-processor \"" + type +
                             "\" is not supported (known: Sequence, TemplateProcessing, ByteLevel)");
    Frame frame;
    for (const JsonNode& item : node.at("processors").items()) {
        Frame outer = read_post_processor(item, vocabulary_size);
        frame.before.insert(frame.before.begin(), outer.before.begin(), outer.before.end());
        frame.after.insert(frame.after.end(), outer.after.begin(), outer.after.end());
    }
    return frame;
}

}  // namespace tandem::text
