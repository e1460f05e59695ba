#include "models/train/checkpoint.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "models/io/files.h"
#include "models/io/safetensors.h"
#include "models/io/safetensors_writer.h"
#include "runtime/error.h"
#include "runtime/hash.h"
#include "runtime/json.h"

namespace tandem {

namespace fs = std::filesystem;

namespace {

constexpr int version = 3;
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

std::vector<TensorSpec> specs_of(Context& ctx, Trainer& trainer) {
    std::vector<TensorSpec> specs;
    for (const UnitState& s : trainer.states())
        for (const Part& p : parts_of(s, ctx.gradient_type()))
            specs.push_back({p.name, p.tensor.dtype(), {p.tensor.elements()}});
    return specs;
}

bool finite(DType type, std::span<const std::byte> bytes) {
    std::vector<float> values(bytes.size() / size_of(type));
    to_float(type, bytes, values);
    return std::all_of(values.begin(), values.end(), [](float v) { return std::isfinite(v); });
}

void write_rank(const fs::path& file, Context& ctx, Trainer& trainer) {
    SafetensorsWriter writer(file, specs_of(ctx, trainer));
    std::vector<std::byte> host;
    for (const UnitState& s : trainer.states())
        for (const Part& p : parts_of(s, ctx.gradient_type())) {
            host.resize(p.tensor.bytes());
            ctx.download(host, p.tensor);
            if (p.tensor.data() == s.range.master && !finite(p.tensor.dtype(), host))
                throw Error(fmt::format("the weights of unit {} hold NaN or infinity after the last update and are not "
                                        "saved; lower {} or look at the data",
                                        s.unit, setting("lr")));
            writer.write(p.name, host);
        }
    writer.finish();
}

Json parsed(const std::string& text) {
    auto json = Json::parse(text);
    if (auto* problem = std::get_if<Json::Problem>(&json)) throw Error(problem->what);
    return std::get<Json>(std::move(json));
}

// The manifest's own hash covers the rest of it, so that a flipped bit anywhere is seen.
Json manifest_json(const Manifest& m) {
    Json files = Json::Array();
    for (const Manifest::File& f : m.files)
        files.push_back(Json::Object{{"name", f.name}, {"bytes", f.bytes}, {"hash", hex(f.hash)}});
    const RunContent& c = m.content;
    return Json::Object{{"version", version},
                        {"step", m.step},
                        {"updates", m.updates},
                        {"world_size", c.world_size},
                        {"on_cards", c.on_cards},
                        {"data_hash", hex(c.data)},
                        {"targets_hash", hex(c.targets)},
                        {"init_adapter_hash", hex(c.init_adapter)},
                        {"base_hash", hex(m.base_hash)},
                        {"model_files", hex(m.model_files)},
                        {"kernels", m.kernels},
                        {"lines", Json(m.lines)},
                        {"options", parsed(m.options)},
                        {"files", files}};
}

Manifest read_manifest(const Json& j) {
    auto hash = [&](const char* name) { return unhex(j.at(name).string()); };
    Manifest m;
    m.step = j.at("step").integer();
    m.updates = j.at("updates").integer();
    m.content = {.data = hash("data_hash"),
                 .targets = hash("targets_hash"),
                 .init_adapter = hash("init_adapter_hash"),
                 .on_cards = j.at("on_cards").boolean(),
                 .world_size = int(j.at("world_size").integer())};
    m.base_hash = hash("base_hash");
    m.model_files = hash("model_files");
    m.kernels = j.at("kernels").string();
    for (const Json& line : j.at("lines").array()) m.lines.push_back(line.string());
    m.options = j.at("options").text();
    for (const Json& f : j.at("files").array())
        m.files.push_back(
            {f.at("name").string(), std::uint64_t(f.at("bytes").integer()), unhex(f.at("hash").string())});
    return m;
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
        Manifest m = read_manifest(j);
        m.hash = unhex(hash);
        return m;
    } catch (const InputError&) {
        throw;
    } catch (const std::exception& e) {
        throw InputError(fmt::format("{}: the manifest is damaged ({})", file.string(), e.what()));
    }
}

std::optional<std::uint64_t> step_of(const std::string& name) {  // "step-000012"
    bool digits = name.size() > 5 && name.size() < 24 &&
                  std::all_of(name.begin() + 5, name.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (!digits || !name.starts_with("step-")) return std::nullopt;
    return std::stoull(name.substr(5));
}

std::vector<fs::path> step_folders(const fs::path& root) {  // newest first
    std::vector<std::pair<std::uint64_t, fs::path>> found;
    std::error_code ignored;
    for (const fs::directory_entry& e : fs::directory_iterator(root, ignored))
        if (auto step = step_of(e.path().filename().string())) found.emplace_back(*step, e.path());
    std::sort(found.rbegin(), found.rend());
    std::vector<fs::path> folders;
    for (auto& [step, folder] : found) folders.push_back(std::move(folder));
    return folders;
}

bool is_part(const fs::path& file) {
    std::string name = file.filename().string();
    if (name.ends_with(".partial")) name.resize(name.size() - 8);
    return name == manifest_name || (name.starts_with("rank-") && name.ends_with(".safetensors"));
}

// Folders newer than the one just written do not count: they were damaged, or the run was taken back before them.
void remove_old(const fs::path& root, const fs::path& newest, std::int64_t keep) {
    std::vector<fs::path> all = step_folders(root);
    auto written = std::find(all.begin(), all.end(), newest);
    std::error_code ignored;  // an old folder that stays does no harm
    for (auto i = written; i != all.end(); i++) {
        if (i - written < keep) continue;
        for (const fs::directory_entry& e : fs::directory_iterator(*i, ignored))
            if (is_part(e.path())) fs::remove(e.path(), ignored);
        fs::remove(*i, ignored);  // with what is not ours in it, it stays
    }
}

}  // namespace

std::string checkpoint_name(std::int64_t step) { return fmt::format("step-{:06}", step); }

std::uint64_t checkpoint_bytes(Context& ctx, Trainer& trainer) {
    return SafetensorsWriter::file_bytes(specs_of(ctx, trainer));
}

CheckpointFolders checkpoint_folders(const fs::path& root) {
    CheckpointFolders all;
    std::error_code ignored;
    for (const fs::directory_entry& e : fs::directory_iterator(root, ignored)) {
        fs::path bare = e.path().filename();
        if (bare.extension() == ".partial" || bare.extension() == ".old") bare.replace_extension();
        if (!step_of(bare.string())) continue;
        all.folders.push_back(e.path());
        if (!e.is_directory(ignored) || e.is_symlink(ignored)) all.foreign.push_back(e.path());
        else
            for (const fs::directory_entry& f : fs::directory_iterator(e.path(), ignored))
                if (!is_part(f.path()) || f.is_directory(ignored)) all.foreign.push_back(f.path());
    }
    return all;
}

std::uint64_t save_checkpoint(const fs::path& root, const Manifest& manifest, std::int64_t keep, Context& ctx,
                              Collective& ranks, Trainer& trainer) {
    fs::path target = root / checkpoint_name(manifest.step), fresh = target;
    fresh += ".partial";
    bool first = ranks.rank() == 0;
    if (first) make_empty_folder(fresh);
    ranks.barrier();
    fs::path mine = fresh / rank_file(ranks.rank());
    write_rank(mine, ctx, trainer);
    std::uint64_t facts[2] = {fs::file_size(mine), hash_file(mine)};
    std::vector<std::uint64_t> all(2 * std::size_t(ranks.world_size()));
    ranks.all_gather(std::as_bytes(std::span(facts)), std::as_writable_bytes(std::span(all)));
    std::uint64_t hash = 0;
    if (first) {
        Manifest m = manifest;
        for (int r = 0; r < ranks.world_size(); r++)
            m.files.push_back({rank_file(r), all[2 * std::size_t(r)], all[2 * std::size_t(r) + 1]});
        Json json = manifest_json(m);
        hash = hash_text(json.text());
        json["hash"] = hex(hash);
        write_file(fresh / manifest_name, json.text(1) + "\n");
        sync_folder(fresh);
        replace_folder(fresh, target);
        remove_old(root, target, keep);
    }
    ranks.barrier();
    return hash;
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
    if (int(c.manifest.files.size()) != c.manifest.content.world_size)
        throw InputError(fmt::format("{}: not all ranks' files are listed", (folder / manifest_name).string()));
    return c;
}

std::optional<Checkpoint> newest_checkpoint(const fs::path& root,
                                            const std::function<void(const std::string&)>& skipped) {
    for (const fs::path& folder : step_folders(root)) try {
            return open_checkpoint(folder);
        } catch (const Error& e) {
            skipped(e.message());
        }
    return std::nullopt;
}

void restore_checkpoint(const Checkpoint& checkpoint, Context& ctx, Trainer& trainer) {
    SafetensorsFile file = SafetensorsFile::open(checkpoint.folder / rank_file(ctx.rank()));
    for (const UnitState& s : trainer.states())
        for (const Part& p : parts_of(s, ctx.gradient_type())) {
            const TensorInfo* info = file.find(p.name);
            if (!info || info->dtype != p.tensor.dtype() || file.bytes(*info).size() != p.tensor.bytes())
                throw InputError(fmt::format("{}: {} is not of this run's shape; set {} to never or use another folder",
                                             file.path().string(), p.name, setting("resume")));
            ctx.upload(p.tensor, file.bytes(*info));
        }
    trainer.restore(checkpoint.manifest.step, checkpoint.manifest.updates);
}

}  // namespace tandem
