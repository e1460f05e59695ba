tandem_room(runtime fmt::fmt Threads::Threads nlohmann_json::nlohmann_json)
