#include "models/io/safetensors_writer.h"

#include <fmt/core.h>

#include <algorithm>
#include <tuple>

#include "runtime/json.h"

namespace tandem {

namespace {

// Offsets count from the end of the header.
std::vector<TensorInfo> laid_out(std::span<const TensorSpec> tensors) {
    std::vector<TensorInfo> all;
    for (const TensorSpec& t : tensors) {
        std::size_t bytes = size_of(t.dtype);
        for (std::int64_t d : t.dims) bytes *= std::size_t(d);
        all.push_back({t.name, t.dtype, t.dims, 0, bytes});
    }
    std::ranges::sort(all, [](const TensorInfo& a, const TensorInfo& b) {
        return std::tuple(size_of(b.dtype), std::string_view(a.name)) <
               std::tuple(size_of(a.dtype), std::string_view(b.name));
    });
    for (std::size_t i = 1; i < all.size(); i++) all[i].offset = all[i - 1].offset + all[i - 1].bytes;
    return all;
}

std::string header_text(const std::vector<TensorInfo>& tensors) {
    Json::Object header{{"__metadata__", Json::Object{{"format", "pt"}}}};
    for (const TensorInfo& t : tensors) {
        header.emplace_back(t.name, Json::Object{{"dtype", safetensors::name_of(t.dtype)},
                                                 {"shape", Json(t.dims)},
                                                 {"data_offsets", Json::Array{t.offset, t.offset + t.bytes}}});
    }
    std::string text = Json(std::move(header)).text();
    text.resize((text.size() + 7) / 8 * 8, ' ');
    return text;
}

}  // namespace

SafetensorsWriter::SafetensorsWriter(const std::filesystem::path& path, std::span<const TensorSpec> tensors)
    : file_(path) {
    std::vector<TensorInfo> all = laid_out(tensors);
    std::string header = header_text(all);
    std::byte length[8];
    for (int i = 0; i < 8; i++) length[i] = std::byte(header.size() >> (8 * i));
    file_.write_at(0, length);
    file_.write_at(8, std::as_bytes(std::span(header)));
    for (TensorInfo& t : all) {
        t.offset += 8 + header.size();
        slots_.push_back({std::move(t)});
    }
    auto name = [](const Slot& s) -> std::string_view { return s.info.name; };
    std::ranges::sort(slots_, {}, name);
    auto twice = std::ranges::adjacent_find(slots_, {}, name);
    if (twice != slots_.end())
        throw Error(fmt::format("[safetensors] {}: tensor '{}' is announced twice", path.string(), twice->info.name));
}

std::uint64_t SafetensorsWriter::file_bytes(std::span<const TensorSpec> tensors) {
    std::vector<TensorInfo> all = laid_out(tensors);
    std::uint64_t bytes = 8 + header_text(all).size();
    for (const TensorInfo& t : all) bytes += t.bytes;
    return bytes;
}

void SafetensorsWriter::write(std::string_view name, std::span<const std::byte> bytes) {
    auto fail = [&](const std::string& what) {
        throw Error(fmt::format("[safetensors] {}: tensor '{}' {}", file_.path().string(), name, what));
    };
    auto slot =
        std::ranges::lower_bound(slots_, name, {}, [](const Slot& s) -> std::string_view { return s.info.name; });
    if (slot == slots_.end() || slot->info.name != name) fail("was not announced");
    if (slot->written) fail("is written twice");
    if (slot->info.bytes != bytes.size())
        fail(fmt::format("has {} bytes, expected {}", bytes.size(), slot->info.bytes));
    file_.write_at(slot->info.offset, bytes);
    slot->written = true;
}

void SafetensorsWriter::finish() {
    for (const Slot& s : slots_) {
        if (!s.written)
            throw Error(
                fmt::format("[safetensors] {}: tensor '{}' was never written", file_.path().string(), s.info.name));
    }
    file_.finish();
}

}  // namespace tandem
