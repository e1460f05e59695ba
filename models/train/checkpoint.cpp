#include "models/train/checkpoint.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstring>

#include "models/io/files.h"
#include "models/io/safetensors.h"
#include "models/io/safetensors_writer.h"
#include "runtime/hash.h"
#include "runtime/json.h"

namespace tandem {

namespace fs = std::filesystem;

namespace {

constexpr int version = 2;
const char* const manifest_name = "manifest.json";

std::string rank_file(int rank) { return fmt::format("rank-{}.safetensors", rank); }
std::string hex(std::uint64_t v) { return fmt::format("{:016x}", v); }
std::uint64_t unhex(const std::string& s) { return std::stoull(s, nullptr, 16); }

// What of a unit is in the file: name, and where it lies.
struct Part {
    std::string name;
    Tensor tensor;
};

std::vector<Part> parts_of(const UnitState& s, DType type) {
    std::vector<Part> parts{{fmt::format("unit.{}.master", s.unit), {s.range.master, Shape{s.range.elements}, type}}};
    if (s.m) parts.push_back({fmt::format("unit.{}.m", s.unit), s.m});
    if (s.v) parts.push_back({fmt::format("unit.{}.v", s.unit), s.v});
    return parts;
}

void write_rank(const fs::path& file, Context& ctx, Trainer& trainer) {
    std::vector<TensorSpec> specs;
    for (const UnitState& s : trainer.states())
        for (const Part& p : parts_of(s, ctx.gradient_type()))
            specs.push_back({p.name, p.tensor.dtype(), {p.tensor.elements()}});
    SafetensorsWriter writer(file, specs);
    std::vector<std::byte> host;
    for (const UnitState& s : trainer.states())
        for (const Part& p : parts_of(s, ctx.gradient_type())) {
            host.resize(p.tensor.bytes());
            ctx.download(host, p.tensor);
            writer.write(p.name, host);
        }
    writer.finish();
}

std::uint64_t hash_file(const fs::path& file) { return hash_text(read_file(file)); }

Json parsed(const std::string& text) {
    auto json = Json::parse(text);
    if (auto* problem = std::get_if<Json::Problem>(&json)) throw Error(problem->what);
    return std::get<Json>(std::move(json));
}

// The manifest's own hash covers the rest of it, so that a flipped bit anywhere is seen.
std::string manifest_text(const Manifest& m) {
    Json files = Json::Array();
    for (const Manifest::File& f : m.files)
        files.push_back(Json::Object{{"name", f.name}, {"bytes", f.bytes}, {"hash", hex(f.hash)}});
    Json j = Json::Object{{"version", version},
                          {"step", m.step},
                          {"updates", m.updates},
                          {"world_size", m.world_size},
                          {"base_hash", hex(m.base_hash)},
                          {"data_hash", hex(m.data_hash)},
                          {"kernels", m.kernels},
                          {"options", parsed(m.options)},
                          {"files", files}};
    j["hash"] = hex(hash_text(j.text()));
    return j.text(1) + "\n";
}

Manifest parse_manifest(const fs::path& file) {
    const std::string text = read_file(file);
    try {
        Json j = parsed(text);
        std::string hash = j.at("hash").string();
        j.erase("hash");
        if (hex(hash_text(j.text())) != hash)
            throw InputError(fmt::format("{}: the manifest is damaged", file.string()));
        if (j.at("version") != Json(version))
            throw InputError(fmt::format("{}: written by another version of this program", file.string()));
        Manifest m{j.at("step").integer(),
                   j.at("updates").integer(),
                   int(j.at("world_size").integer()),
                   unhex(j.at("base_hash").string()),
                   unhex(j.at("data_hash").string()),
                   j.at("kernels").string(),
                   j.at("options").text(),
                   {}};
        for (const Json& f : j.at("files").array())
            m.files.push_back(
                {f.at("name").string(), std::uint64_t(f.at("bytes").integer()), unhex(f.at("hash").string())});
        return m;
    } catch (const InputError&) {
        throw;
    } catch (const std::exception& e) {
        throw InputError(fmt::format("{}: the manifest is damaged ({})", file.string(), e.what()));
    }
}

std::vector<fs::path> step_folders(const fs::path& root) {  // newest first
    std::vector<fs::path> found;
    std::error_code ignored;
    for (const fs::directory_entry& e : fs::directory_iterator(root, ignored)) {
        std::string name = e.path().filename().string();
        bool digits =
            name.size() > 5 && std::all_of(name.begin() + 5, name.end(), [](char c) { return c >= '0' && c <= '9'; });
        if (name.starts_with("step-") && digits) found.push_back(e.path());
    }
    auto number = [](const fs::path& p) { return std::stoull(p.filename().string().substr(5)); };
    std::sort(found.begin(), found.end(), [&](const fs::path& a, const fs::path& b) { return number(a) > number(b); });
    return found;
}

// Folders newer than the one just written do not count: they were damaged, or the run was taken back before them.
void remove_old(const fs::path& root, const fs::path& newest, std::int64_t keep) {
    std::vector<fs::path> all = step_folders(root);
    auto written = std::find(all.begin(), all.end(), newest);
    std::error_code ignored;  // an old folder that stays does no harm
    for (auto i = written; i != all.end(); i++)
        if (i - written >= keep) fs::remove_all(*i, ignored);
}

}  // namespace

void save_checkpoint(const fs::path& root, const Manifest& manifest, std::int64_t keep, Context& ctx, Collective& ranks,
                     Trainer& trainer) {
    fs::path target = root / fmt::format("step-{:06}", manifest.step), fresh = target;
    fresh += ".partial";
    bool first = ranks.rank() == 0;
    if (first) make_empty_folder(fresh);
    ranks.barrier();
    fs::path mine = fresh / rank_file(ranks.rank());
    write_rank(mine, ctx, trainer);
    std::uint64_t facts[2] = {fs::file_size(mine), hash_file(mine)};
    std::vector<std::uint64_t> all(2 * std::size_t(ranks.world_size()));
    ranks.all_gather(std::as_bytes(std::span(facts)), std::as_writable_bytes(std::span(all)));
    if (first) {
        Manifest m = manifest;
        for (int r = 0; r < ranks.world_size(); r++)
            m.files.push_back({rank_file(r), all[2 * std::size_t(r)], all[2 * std::size_t(r) + 1]});
        write_file(fresh / manifest_name, manifest_text(m));
        sync_folder(fresh);
        replace_folder(fresh, target);
        remove_old(root, target, keep);
    }
    ranks.barrier();
}

Checkpoint open_checkpoint(const fs::path& folder) {
    Checkpoint c{folder, parse_manifest(folder / manifest_name)};
    for (const Manifest::File& f : c.manifest.files) {
        fs::path file = folder / f.name;
        std::error_code missing;
        if (fs::file_size(file, missing) != f.bytes || missing)
            throw InputError(fmt::format("{}: missing or of another size than the manifest says", file.string()));
        if (hash_file(file) != f.hash)
            throw InputError(fmt::format("{}: damaged (its hash is another)", file.string()));
    }
    if (int(c.manifest.files.size()) != c.manifest.world_size)
        throw InputError(fmt::format("{}: not all ranks' files are listed", (folder / manifest_name).string()));
    return c;
}

std::optional<Checkpoint> newest_checkpoint(const fs::path& root,
                                            const std::function<void(const std::string&)>& skipped) {
    for (const fs::path& folder : step_folders(root)) try {
            return open_checkpoint(folder);
        } catch (const Error& e) {
            skipped(e.what());
        }
    return std::nullopt;
}

void restore_checkpoint(const Checkpoint& checkpoint, Context& ctx, Trainer& trainer) {
    SafetensorsFile file = SafetensorsFile::open(checkpoint.folder / rank_file(ctx.rank()));
    for (const UnitState& s : trainer.states())
        for (const Part& p : parts_of(s, ctx.gradient_type())) {
            const TensorInfo* info = file.find(p.name);
            if (!info || info->dtype != p.tensor.dtype() || file.bytes(*info).size() != p.tensor.bytes())
                throw InputError(fmt::format("{}: {} is not of this run's shape; use --resume never or another folder",
                                             file.path().string(), p.name));
            ctx.upload(p.tensor, file.bytes(*info));
        }
    trainer.restore(checkpoint.manifest.step, checkpoint.manifest.updates);
}

}  // namespace tandem
