#include <fmt/core.h>

#include <array>
#include <charconv>
#include <cmath>

#include "runtime/error.h"
#include "runtime/json.h"
#include "tools/session/settings/settings.h"

namespace tandem {
namespace {

template <class T> bool read_number(std::string_view text, T& value) {
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc() && end == text.data() + text.size();
}

struct Unit {
    std::string_view name;
    double bytes;
};
constexpr std::array<Unit, 10> units{{{"KiB", 0x1p10},
                                      {"MiB", 0x1p20},
                                      {"GiB", 0x1p30},
                                      {"TiB", 0x1p40},
                                      {"KB", 1e3},
                                      {"kB", 1e3},
                                      {"MB", 1e6},
                                      {"GB", 1e9},
                                      {"TB", 1e12},
                                      {"B", 1}}};

}  // namespace

bool SettingType<bool>::read(std::string_view text, bool& value) {
    value = text == "true" || text == "True";
    return value || text == "false" || text == "False";
}
std::string SettingType<bool>::json(bool value) { return value ? "true" : "false"; }

bool SettingType<std::int64_t>::read(std::string_view text, std::int64_t& value) { return read_number(text, value); }
std::string SettingType<std::int64_t>::json(std::int64_t value) { return std::to_string(value); }

bool SettingType<double>::read(std::string_view text, double& value) {
    return read_number(text, value) && std::isfinite(value);
}
std::string SettingType<double>::json(double value) { return fmt::format("{}", value); }

bool SettingType<std::string>::read(std::string_view text, std::string& value) { return value = text, true; }
std::string SettingType<std::string>::json(const std::string& value) { return json_text(value); }

bool SettingType<std::filesystem::path>::read(std::string_view text, std::filesystem::path& value) {
    value = text;
    return !text.empty();
}
std::string SettingType<std::filesystem::path>::json(const std::filesystem::path& value) {
    return json_text(value.string());
}

bool SettingType<ByteSize>::read(std::string_view text, ByteSize& value) {
    double unit = 1;
    for (const Unit& u : units) {
        if (!text.ends_with(u.name)) continue;
        unit = u.bytes;
        text.remove_suffix(u.name.size());
        break;
    }
    double bytes = 0;
    if (!read_number(text, bytes) || !(bytes >= 0) || bytes * unit >= 0x1p63) return false;
    value.bytes = std::llround(bytes * unit);
    return true;
}
std::string SettingType<ByteSize>::json(ByteSize value) { return std::to_string(value.bytes); }

}  // namespace tandem
