// The settings of a fine-tuning: fsdp_qlora's, by its names and defaults, and this program's own.
#pragma once
#include "tools/session/settings/model_settings.h"

namespace tandem {

void declare(Settings& set, Recipe& recipe);
std::vector<Conflict> conflicts(const Recipe& recipe, const Settings& set, Devices devices = Devices::here);

// What use_cpu_offload and its like say, in the places: where these are left open.
void apply_offload(Recipe& recipe);

template <> struct SettingType<Projections> {
    static bool read(std::string_view text, Projections& value);
    static std::string json(const Projections& value);
    static std::string expected();
    static std::string placeholder() { return "NAME,..."; }
};
template <> struct SettingType<ResumeFrom> {
    static bool read(std::string_view text, ResumeFrom& value);
    static std::string json(const ResumeFrom& value);
    static std::string expected() { return "auto, never or a checkpoint's folder"; }
    static std::string placeholder() { return "auto|never|FOLDER"; }
};
template <> struct SettingNames<Strategy> {
    static constexpr auto names = std::to_array<std::pair<std::string_view, Strategy>>({
        {"full_shard", Strategy::full_shard},
        {"shard_grad_op", Strategy::shard_grad_op},
        {"ddp", Strategy::ddp},
    });
};
template <> struct SettingNames<OptimizerKind> {
    static constexpr auto names = std::to_array<std::pair<std::string_view, OptimizerKind>>(
        {{"adamw", OptimizerKind::adamw}, {"sgd", OptimizerKind::sgd}});
};
template <> struct SettingNames<LrSchedule> {
    static constexpr auto names = std::to_array<std::pair<std::string_view, LrSchedule>>(
        {{"constant", LrSchedule::constant}, {"linear", LrSchedule::linear}, {"cosine", LrSchedule::cosine}});
};
template <> struct SettingNames<ActivationsOn> {
    static constexpr auto names = std::to_array<std::pair<std::string_view, ActivationsOn>>(
        {{"auto", ActivationsOn::automatic}, {"device", ActivationsOn::device}, {"host", ActivationsOn::host}});
};
template <> struct SettingNames<TransportKind> {
    static constexpr auto names = std::to_array<std::pair<std::string_view, TransportKind>>({
        {"auto", TransportKind::automatic},
        {"host", TransportKind::host},
        {"peer", TransportKind::peer},
        {"nccl", TransportKind::nccl},
    });
};

}  // namespace tandem
