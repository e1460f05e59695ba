# Every command is a file here or in options/; main.cpp dispatches. The library is what tests call.
file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tools/*.cpp ${PROJECT_SOURCE_DIR}/tools/options/*.cpp)
list(REMOVE_ITEM sources ${PROJECT_SOURCE_DIR}/tools/main.cpp)
add_library(tandem_tools STATIC ${sources})
tandem_target(tandem_tools)
target_link_libraries(tandem_tools PUBLIC tandem_session PRIVATE fmt::fmt)
set_source_files_properties(tools/demo.cpp PROPERTIES
    COMPILE_DEFINITIONS TANDEM_DEMO="${PROJECT_SOURCE_DIR}/tools/demo")
add_executable(tandem tools/main.cpp)
tandem_target(tandem)
target_link_libraries(tandem PRIVATE tandem_tools fmt::fmt)
set_target_properties(tandem PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR})
