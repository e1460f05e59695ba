# What every target of ours is compiled with. All of it belongs to the target: nothing reaches a project around this
# one or whoever links a library, but C++20 and what a sanitizer has to link.
if(TANDEM_SANITIZE STREQUAL "address")
    set(sanitizers -fsanitize=address,undefined -fno-sanitize-recover=all)
elseif(TANDEM_SANITIZE STREQUAL "thread")
    set(sanitizers -fsanitize=thread)
elseif(TANDEM_SANITIZE)
    message(FATAL_ERROR "TANDEM_SANITIZE is address or thread, not ${TANDEM_SANITIZE}")
endif()

# Errors name a source by its path in the checkout. Where ccache runs the compiler it sees the path from the build
# folder.
file(RELATIVE_PATH from_build ${PROJECT_BINARY_DIR} ${PROJECT_SOURCE_DIR}/CMakeLists.txt)
string(REGEX REPLACE "CMakeLists[.]txt$" "" from_build ${from_build})
set(prefix_map -fmacro-prefix-map=${from_build}=)
set(absolute_prefix_map -fmacro-prefix-map=${PROJECT_SOURCE_DIR}/=)

function(tandem_target target)
    target_compile_features(${target} PUBLIC cxx_std_20)
    # Nothing is exported by a shared library or a program that a room is linked into.
    set_target_properties(${target} PROPERTIES CXX_EXTENSIONS OFF POSITION_INDEPENDENT_CODE ON
        CXX_VISIBILITY_PRESET hidden CUDA_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)
    # -ffp-contract=off: results must not depend on which products the compiler fuses; fma is written where it is
    # wanted.
    set(options -Wall -Wextra -ffp-contract=off -fno-math-errno)
    list(APPEND options ${prefix_map} ${absolute_prefix_map})
    set(release -O2 -g0 -UNDEBUG)  # also where a project around this one names no build type
    if(TANDEM_SANITIZE)
        set(release -O1 -g1)  # names and lines in reports, without the cost of -O2 on instrumented code
        list(APPEND options ${sanitizers} -fno-omit-frame-pointer)
        target_link_options(${target} PUBLIC ${sanitizers})
    endif()
    set(is_release $<OR:$<CONFIG:Release>,$<STREQUAL:$<CONFIG>,>>)
    target_compile_options(${target} PRIVATE
        "$<$<COMPILE_LANGUAGE:CXX>:${options}>" "$<$<AND:$<COMPILE_LANGUAGE:CXX>,${is_release}>:${release}>")
    target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR} ${PROJECT_BINARY_DIR}/generated)
endfunction()

# A room is a static library, tandem::<name>, of every source below its folder: adding an op, a format or a model is
# adding a folder. What only cards need is .cu, or lies in a folder named cuda, peer or nccl.
function(tandem_room name folder)  # LIBRARY… that it is made from
    file(GLOB_RECURSE sources RELATIVE ${PROJECT_SOURCE_DIR} CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${folder}/*.cpp)
    file(GLOB_RECURSE cuda RELATIVE ${PROJECT_SOURCE_DIR} CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${folder}/*.cu)
    if(TANDEM_CUDA STREQUAL "off")
        list(FILTER sources EXCLUDE REGEX "/(cuda|peer|nccl)/")
        set(cuda)
    elseif(NOT TANDEM_HAS_NCCL)
        list(FILTER cuda EXCLUDE REGEX "/nccl/")
    endif()
    add_library(tandem_${name} STATIC ${sources} ${cuda})
    add_library(tandem::${name} ALIAS tandem_${name})
    set_property(GLOBAL APPEND PROPERTY TANDEM_ROOMS tandem_${name})
    set_target_properties(tandem_${name} PROPERTIES EXPORT_NAME ${name} LINKER_LANGUAGE CXX)
    tandem_target(tandem_${name})
    target_link_libraries(tandem_${name} PUBLIC ${ARGN} PRIVATE fmt::fmt)
    tandem_cuda_target(tandem_${name} ${cuda})
endfunction()

# Headers that users of the package include; what these include comes with them.
function(tandem_public_headers)  # PATTERN…
    list(TRANSFORM ARGN PREPEND ${PROJECT_SOURCE_DIR}/ OUTPUT_VARIABLE patterns)
    file(GLOB headers RELATIVE ${PROJECT_SOURCE_DIR} CONFIGURE_DEPENDS ${patterns})
    set_property(GLOBAL APPEND PROPERTY TANDEM_PUBLIC_HEADERS ${headers})
endfunction()
