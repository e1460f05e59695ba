#include <fmt/core.h>

#include <unistd.h>


#include "models/io/file_kind.h"
#include "models/io/files.h"
#include "models/io/find_model.h"
#include "models/text/dataset/preview.h"
#include "runtime/joined.h"
#include "tools/commands.h"
#include "tools/demo.h"
#include "tools/log.h"
#include "tools/opening.h"
#include "tools/session/model.h"
#include "tools/options/tokenize_options.h"

namespace tandem {

namespace fs = std::filesystem;

namespace {

// A folder that holds a tokenizer.json is enough.
fs::path tokenizer_folder(const std::string& model) {
    return fs::exists(fs::path(model) / "tokenizer.json") ? fs::path(model) : find_model(model).folder;
}

enum class Form { json, words };

void print_ids(const std::vector<std::int32_t>& ids, Form form) {
    if (form == Form::json) print_line(Json(Json::Object{{"ids", Json(ids)}}).text());
    else print_line(joined(ids, " "));
}

void print_lines(const Tokenizer& tokenizer, const fs::path& file, SpecialTokens special) {
    std::string text = read_file(file), kind = file_kind(std::string_view(text).substr(0, file_kind_bytes));
    if (is_lfs_pointer(text)) throw InputError(fmt::format("[tokenize] {}: {}", file.string(), kind));
    if (text.empty()) log_line(fmt::format("tandem: {} is empty", file.string()));
    std::int64_t number = 1;
    for (std::size_t begin = 0; begin < text.size(); number++) try {
            std::size_t end = std::min(text.find('\n', begin), text.size());
            std::string_view line = std::string_view(text).substr(begin, end - begin);
            print_line(Json(tokenizer.encode(line, special).ids).text());
            begin = end + 1;
        } catch (const InputError& e) {
            if (number == 1 && !kind.empty())
                throw InputError(fmt::format("[tokenize] {}: {}", file.string(), kind), e.where());
            throw InputError(fmt::format("{}:{}: {}", file.string(), number, e.message()), e.where());
        }
}

void print_samples(const TokenizeOptions& o, const TextTools& text) {
    constexpr std::int64_t no_limit = std::int64_t(1) << 40;
    Dataset data =
        read_dataset(data_place(*o.dataset), &text, {no_limit, text.tokenizer->size(), false, o.dataset_samples});
    say_unused_keys(data);
    for (std::int64_t i = 0; i < data.size(); i++) {
        SampleView s = data[i];
        if (o.json)
            print_line(Json(Json::Object{{"ids", Json(std::vector(s.ids.begin(), s.ids.end()))},
                                         {"labels", Json(std::vector(s.labels.begin(), s.labels.end()))}})
                           .text());
        else
            print_line(preview(s, text.tokenizer, colour_of(STDOUT_FILENO)));
    }
}

}  // namespace

int tokenize(CommandLine& line) {
    TokenizeOptions o;
    OptionSet set("tokenize", "Ids of text, of lines, or of a data set's samples.");
    if (read_options(o, set, line) == OptionSet::Parsed::help) return print_help(set);
    fs::path folder = tokenizer_folder(model_place(o.model));
    std::unique_ptr<Tokenizer> tokenizer = open_tokenizer(folder);
    SpecialTokens special = o.add_special_tokens ? SpecialTokens::add : SpecialTokens::none;
    if (o.text) print_ids(tokenizer->encode(*o.text, special).ids, o.json ? Form::json : Form::words);
    if (o.lines) print_lines(*tokenizer, *o.lines, special);
    if (o.dataset) print_samples(o, text_tools(folder, *tokenizer, o.chat_template));
    return 0;
}

}  // namespace tandem
