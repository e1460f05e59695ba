#include "models/text/dataset/dataset.h"

#include <fmt/core.h>

#include <algorithm>
#include <set>

#include "models/io/file_kind.h"
#include "models/text/dataset/records.h"
#include "models/text/dataset/sample_text.h"
#include "runtime/error.h"
#include "runtime/hash.h"
#include "runtime/joined.h"
#include "runtime/json.h"
#include "runtime/utf8.h"

namespace tandem {

Sample read_sample(std::string_view text, const TextTools* tools, const DatasetOptions& options) {
    if (std::size_t valid = valid_utf8(text); valid < text.size())
        throw InputError(fmt::format("expected UTF-8, got other bytes at byte {}", valid + 1));
    auto parsed = Json::parse(text);
    if (auto* problem = std::get_if<Json::Problem>(&parsed)) {
        std::string_view what = problem->what;  // "parse error at line 1, column 9: …", a line of this text alone
        if (what.starts_with("parse error")) what.remove_prefix(what.find(": ") + 2);
        std::string at = problem->byte ? fmt::format(" at byte {}", problem->byte) : "";
        throw InputError(fmt::format("broken JSON{}: {}", at, what));
    }
    Sample sample = make_sample(std::get<Json>(parsed), tools, options);
    auto outside = [&](std::int32_t id) { return id >= options.vocab; };
    if (auto id = std::find_if(sample.ids.begin(), sample.ids.end(), outside); id != sample.ids.end())
        throw InputError(
            fmt::format("expected ids below the vocabulary's {}, got {} from the tokenizer", options.vocab, *id));
    if (std::int64_t(sample.ids.size()) > options.context_length)
        throw InputError(fmt::format("expected at most {} tokens, got {}; raise {} or set {}",
                                     options.context_length, sample.ids.size(), setting("context_length"),
                                     setting("truncate")));
    if (count_supervised(sample.labels) == 0)
        throw InputError(fmt::format("no supervised token in the {} of this sample", sample.ids.size()));
    return sample;
}

const ChatTemplate& TextTools::chat_template() const {
    if (!chat || !no_chat.empty()) throw InputError(no_chat);
    return *chat;
}

std::int64_t count_supervised(std::span<const std::int32_t> labels) {
    if (labels.empty()) return 0;
    return std::int64_t(labels.size()) - 1 - std::count(labels.begin() + 1, labels.end(), not_supervised);
}

void Dataset::append(SampleView sample) {
    ids_.insert(ids_.end(), sample.ids.begin(), sample.ids.end());
    labels_.insert(labels_.end(), sample.labels.begin(), sample.labels.end());
    ends_.push_back(std::int64_t(ids_.size()));
    std::int64_t supervised = count_supervised(sample.labels);
    supervised_.push_back(std::int32_t(supervised));
    largest_.length = std::max(largest_.length, std::int64_t(sample.ids.size()));
    largest_.supervised = std::max(largest_.supervised, supervised);
}

SampleView Dataset::operator[](std::int64_t i) const {
    std::size_t begin = std::size_t(ends_[std::size_t(i)]), count = std::size_t(length(i));
    return {std::span(ids_).subspan(begin, count), std::span(labels_).subspan(begin, count)};
}

std::uint64_t Dataset::hash() const {
    std::uint64_t h = hash_bytes(std::as_bytes(std::span(ids_)));
    h = hash_bytes(std::as_bytes(std::span(labels_)), h);
    return hash_bytes(std::as_bytes(std::span(ends_)), h);
}

void Dataset::count_unused(const std::vector<std::string>& keys) {
    for (const std::string& key : std::set(keys.begin(), keys.end())) unused_[key]++;
}

std::string Dataset::unused_keys() const {
    constexpr std::size_t most = 20;
    std::vector<std::string> names;
    for (const auto& [key, samples] : unused_) {
        if (names.size() == most) break;
        names.push_back(excerpt(key, 40));
        if (samples < size()) names.back() += fmt::format(" ({} of {} samples)", samples, size());
    }
    if (unused_.size() > most) names.push_back(fmt::format("{} more", unused_.size() - most));
    return joined(names);
}

Dataset read_dataset(const std::filesystem::path& file, const TextTools* tools, const DatasetOptions& options) {
    Dataset data;
    for_each_record(file, [&](std::string_view text, std::int64_t line) {
        try {
            Sample sample = read_sample(text, tools, options);
            data.append({sample.ids, sample.labels});
            data.count_unused(sample.unused);
        } catch (const InputError& e) {
            if (data.size() == 0)
                if (std::string kind = file_kind(text.substr(0, file_kind_bytes)); !kind.empty())
                    throw InputError(fmt::format("{}:{}: {}", file.string(), line, kind), e.where());
            throw InputError(fmt::format("{}:{}: {}", file.string(), line, e.message()), e.where());
        }
        return !options.limit || data.size() < *options.limit;
    });
    if (data.size() == 0) throw InputError(fmt::format("{}:1: expected samples, got an empty file", file.string()));
    return data;
}

}  // namespace tandem
