#include "tools/session/folder/result_record.h"

#include <fmt/core.h>

#include <algorithm>
#include <vector>

#include "models/io/files.h"
#include "models/io/json_fields.h"
#include "runtime/error.h"
#include "runtime/json.h"

namespace tandem {

namespace fs = std::filesystem;

namespace {

std::string hex(std::uint64_t hash) { return fmt::format("{:016x}", hash); }

Json facts_of(const fs::path& file) {
    return Json::Object{{"name", file.filename().string()},
                        {"bytes", std::int64_t(fs::file_size(file))},
                        {"hash", hex(hash_file(file))}};
}

fs::path record_of(const Result& result) { return result.folder.parent_path() / result_record_name; }

}  // namespace

fs::path Result::partial() const {
    fs::path fresh = folder;
    fresh += ".partial";
    return fresh;
}

void publish(const Result& result) {
    std::vector<fs::path> files;
    for (const fs::directory_entry& e : fs::directory_iterator(result.partial())) files.push_back(e.path());
    std::sort(files.begin(), files.end());
    Json list = Json::Array();
    for (const fs::path& file : files) list.push_back(facts_of(file));
    Json record = Json::Object{{"result", result.folder.filename().string()},
                               {"step", result.step},
                               {"checkpoint", hex(result.checkpoint)},
                               {"files", list}};
    write_file(record_of(result), record.text(1) + "\n");
    replace_folder(result.partial(), result.folder);
}

bool is_published(const Result& result) {
    try {
        Json record = parse_json_file(record_of(result));
        if (record.at("result") != Json(result.folder.filename().string())) return false;
        if (record.at("checkpoint") != Json(hex(result.checkpoint))) return false;
        for (const Json& file : record.at("files").array())
            if (facts_of(result.folder / file.at("name").string()) != file) return false;
        return true;
    } catch (const std::exception&) {
        return false;  // missing or damaged
    }
}

}  // namespace tandem
