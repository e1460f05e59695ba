tandem_room(runtime runtime Threads::Threads)
target_include_directories(tandem_runtime SYSTEM PRIVATE
    $<TARGET_PROPERTY:nlohmann_json::nlohmann_json,INTERFACE_INCLUDE_DIRECTORIES>)
tandem_public_headers(runtime/check.h runtime/context.h runtime/error.h runtime/rng.h)
