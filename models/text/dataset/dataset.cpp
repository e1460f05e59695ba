#include "models/text/dataset/dataset.h"

#include <utf8proc.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "models/text/dataset/records.h"
#include "models/text/dataset/sample_text.h"
#include "runtime/error.h"
#include "runtime/hash.h"

namespace tandem {
namespace {

// Of the first byte that is no UTF-8.
std::optional<std::size_t> bad_utf8(std::string_view text) {
    for (std::size_t i = 0; i < text.size();) {
        utf8proc_int32_t point;
        auto bytes = reinterpret_cast<const utf8proc_uint8_t*>(text.data());
        auto length = utf8proc_iterate(bytes + i, utf8proc_ssize_t(text.size() - i), &point);
        if (length <= 0) return i;
        i += std::size_t(length);
    }
    return {};
}

Sample read_sample(std::string_view text, const TextTools* tools, const DatasetOptions& options) {
    if (auto at = bad_utf8(text)) throw InputError(fmt::format("expected UTF-8, got other bytes at byte {}", *at + 1));
    nlohmann::json object;
    try {
        object = nlohmann::json::parse(text);
    } catch (const nlohmann::json::parse_error& e) {
        std::string_view what = e.what();  // "[code] parse error at line 1, column 9: …", a line of this text alone
        throw InputError(fmt::format("broken JSON at byte {}: {}", e.byte, what.substr(what.find(": ") + 2)));
    }
    Sample sample = make_sample(object, tools, options);
    auto outside = [&](std::int32_t id) { return id >= options.vocab; };
    if (auto id = std::find_if(sample.ids.begin(), sample.ids.end(), outside); id != sample.ids.end())
        throw InputError(
            fmt::format("expected ids below the vocabulary's {}, got {} from the tokenizer", options.vocab, *id));
    if (std::int64_t(sample.ids.size()) > options.context_length)
        throw InputError(fmt::format("expected at most {} tokens, got {}; raise --context-length or give --truncate",
                                     options.context_length, sample.ids.size()));
    if (count_supervised(sample.labels) == 0)
        throw InputError(fmt::format("no supervised token in the {} of this sample", sample.ids.size()));
    return sample;
}

}  // namespace

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

Dataset read_dataset(const std::filesystem::path& file, const TextTools* tools, const DatasetOptions& options) {
    Dataset data;
    for_each_record(file, [&](std::string_view text, std::int64_t line) {
        try {
            Sample sample = read_sample(text, tools, options);
            data.append({sample.ids, sample.labels});
        } catch (const InputError& e) {
            throw InputError(fmt::format("{}:{}: {}", file.string(), line, e.what()), e.where());
        }
        return !options.limit || data.size() < *options.limit;
    });
    if (data.size() == 0) throw InputError(fmt::format("{}:1: expected samples, got an empty file", file.string()));
    return data;
}

}  // namespace tandem
