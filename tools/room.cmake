# Every command is a file here; main.cpp dispatches. The library is what tests call.
tandem_room(tools tandem_models tandem_dist CLI11::CLI11)
target_compile_definitions(tandem_tools PRIVATE TANDEM_DEMO="${CMAKE_SOURCE_DIR}/tools/demo")
add_executable(tandem tools/main.cpp)
target_link_libraries(tandem PRIVATE tandem_tools)
set_target_properties(tandem PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR})
