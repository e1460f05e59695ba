# The CUDA simulator: .cu files compiled by the host compiler, the toolkit's functions defined by tests/cudasim.
# Target `cudasim`; cudasim_sources(FILES...) makes CMake compile .cu files as C++.
find_path(CUDASIM_TOOLKIT_INCLUDE cublasLt.h PATHS $ENV{CUDA_HOME}/include /usr/local/cuda/include NO_DEFAULT_PATH
    REQUIRED DOC "headers of the CUDA toolkit")

set(folder ${PROJECT_SOURCE_DIR}/tests/cudasim)
file(GLOB sources CONFIGURE_DEPENDS ${folder}/*.cpp)
list(FILTER sources EXCLUDE REGEX "_test\\.cpp$")
add_library(cudasim STATIC ${sources})
tandem_target(cudasim)
target_compile_definitions(cudasim PUBLIC CUDASIM)
target_include_directories(cudasim PUBLIC ${folder} ${folder}/include)
target_include_directories(cudasim SYSTEM PUBLIC ${CUDASIM_TOOLKIT_INCLUDE})
target_link_libraries(cudasim PUBLIC Threads::Threads)
set_source_files_properties(${folder}/gemm.cpp PROPERTIES COMPILE_OPTIONS -O3)

if(TANDEM_SANITIZE STREQUAL "address")
    target_compile_definitions(cudasim PUBLIC CUDASIM_ASAN)
elseif(TANDEM_SANITIZE STREQUAL "thread")
    target_compile_definitions(cudasim PUBLIC CUDASIM_TSAN)
    # The simulator tells TSan of its edges by hand; the libraries' accesses to device memory are to be seen.
    set(quiet ${sources})
    list(FILTER quiet EXCLUDE REGEX "/(cublaslt|gemm|nccl)[^/]*\\.cpp$")
    set_source_files_properties(${quiet} PROPERTIES COMPILE_OPTIONS -fno-sanitize=thread)
endif()

# As nvcc does, cuda_runtime.h comes first. Two kernels with the same code stay two: coverage counts them.
function(cudasim_sources)
    set_source_files_properties(${ARGN} PROPERTIES LANGUAGE CXX
        COMPILE_OPTIONS "-include;cuda_runtime.h;-Wno-unknown-pragmas;-Wno-attributes;-fno-ipa-icf;-mfma")
endfunction()

if(TANDEM_TESTS)
    file(GLOB sources CONFIGURE_DEPENDS ${folder}/kernels/*.cu)
    cudasim_sources(${sources})
    add_library(cudasim_kernels STATIC ${sources})
    tandem_target(cudasim_kernels)
    target_link_libraries(cudasim_kernels PUBLIC cudasim)
    file(GLOB sources CONFIGURE_DEPENDS ${folder}/*_test.cpp)
    add_executable(test_cudasim tests/main.cpp ${sources})
    tandem_target(test_cudasim)
    target_link_libraries(test_cudasim PRIVATE cudasim_kernels doctest::doctest)
    add_test(NAME cudasim COMMAND test_cudasim)
    # One planted mistake per run: planted_test.sh.
    add_executable(cudasim_planted ${folder}/kernels/planted.cpp)
    tandem_target(cudasim_planted)
    target_link_libraries(cudasim_planted PRIVATE cudasim_kernels)
endif()
