tandem_room(runtime fmt::fmt Threads::Threads CLI11::CLI11 nlohmann_json::nlohmann_json)
