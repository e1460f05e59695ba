function(tandem_test_target target)  # LIBRARY…
    tandem_target(${target})
    target_link_libraries(${target} PRIVATE ${ARGN} fmt::fmt nlohmann_json::nlohmann_json doctest::doctest)
    target_compile_definitions(${target} PRIVATE TANDEM_TEST_DATA="${PROJECT_SOURCE_DIR}/tests/golden")
endfunction()

# One test program per room, tests/main.cpp around the sources below tests/<room>: the tests are the *_test.cpp.
# Golden data is read from TANDEM_TEST_DATA (tests/golden).
file(GLOB rooms RELATIVE ${PROJECT_SOURCE_DIR}/tests CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/*)
list(REMOVE_ITEM rooms cudasim)  # tests/cudasim/cudasim.cmake, in builds on the simulator
if(TANDEM_SANITIZE OR TANDEM_CUDA STREQUAL "sim")
    list(REMOVE_ITEM rooms style)  # it runs none of tandem's code
endif()
foreach(room ${rooms})
    file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/${room}/*.cpp)
    set(tests ${sources})
    list(FILTER tests INCLUDE REGEX "_test\\.cpp$")
    if(tests)
        add_executable(test_${room} tests/main.cpp ${sources})
        set(library tandem_tools)
        if(room MATCHES "^(runtime|quant|ops|dist)$")  # what they test needs no more: a sanitizer builds one room
            set(library tandem_${room})
        endif()
        if(room STREQUAL "quant")
            list(APPEND library tandem_dist)  # the rank that its tests run on
        elseif(room STREQUAL "ops")
            list(APPEND library tandem_check_op)
        endif()
        tandem_test_target(test_${room} ${library})
        target_compile_options(test_${room} PRIVATE -O1)  # what they call is compiled as users get it; they are many
        add_test(NAME ${room} COMMAND test_${room})
    endif()
endforeach()

# Benchmarks: claims of speed, run by hand (tests/README.md), never as tests.
file(GLOB benchmarks CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/benchmarks/*.cpp)
foreach(source ${benchmarks})
    get_filename_component(name ${source} NAME_WE)
    add_executable(bench_${name} EXCLUDE_FROM_ALL ${source})
    tandem_test_target(bench_${name} tandem_tools)
endforeach()

if(NOT TANDEM_CUDA STREQUAL "off")  # timings on a card: tests/gpu/timings.sh
    add_executable(bench_gpu EXCLUDE_FROM_ALL tests/gpu/bench_gpu.cu tests/gpu/results.cpp)
    set_target_properties(bench_gpu PROPERTIES LINKER_LANGUAGE CXX)
    tandem_test_target(bench_gpu tandem_tools)
    tandem_cuda_target(bench_gpu tests/gpu/bench_gpu.cu)
endif()

# Tests that run the program; some let its system calls fail.
add_library(failing_io MODULE tests/support/failing_io.cpp)
tandem_target(failing_io)
set_target_properties(failing_io PROPERTIES CXX_VISIBILITY_PRESET default)  # its functions take the place of others
target_link_libraries(failing_io PRIVATE ${CMAKE_DL_LIBS})
foreach(room faults tools)
    add_dependencies(test_${room} tandem failing_io)
endforeach()

# Every header compiles alone. Built by tests/style/headers_test.sh; objects rather than -fsyntax-only, for ccache.
file(GLOB_RECURSE headers RELATIVE ${PROJECT_SOURCE_DIR} CONFIGURE_DEPENDS
    runtime/*.h quant/*.h ops/*.h models/*.h dist/*.h tools/*.h tests/*.h)
list(FILTER headers EXCLUDE REGEX "^(runtime/cuda|tests/cudasim|tools/python)/")
set(sources)
foreach(header ${headers})
    set(source ${PROJECT_BINARY_DIR}/headers_alone/${header}.cpp)
    file(CONFIGURE OUTPUT ${source} CONTENT "#include \"${header}\"\n")
    list(APPEND sources ${source})
endforeach()
add_library(headers_alone OBJECT EXCLUDE_FROM_ALL ${sources})
tandem_test_target(headers_alone tandem_tools)
target_compile_options(headers_alone PRIVATE -O0)

# So does every header that users of the package are to include, with nothing but the package's headers in sight.
include(tools/package/installed_name.cmake)
get_property(headers GLOBAL PROPERTY TANDEM_PUBLIC_HEADERS)
set(sources)
foreach(header ${headers})
    tandem_installed_name(${header} name)
    set(source ${PROJECT_BINARY_DIR}/public_headers_alone/${name}.cpp)
    file(CONFIGURE OUTPUT ${source} CONTENT "#include <tandem/${name}>\n")
    list(APPEND sources ${source})
endforeach()
add_library(public_headers_alone OBJECT EXCLUDE_FROM_ALL ${sources})
target_compile_features(public_headers_alone PRIVATE cxx_std_20)
target_compile_options(public_headers_alone PRIVATE -Wall -Wextra -O0)
target_include_directories(public_headers_alone PRIVATE ${PROJECT_BINARY_DIR}/include)
add_dependencies(public_headers_alone tandem_headers)
