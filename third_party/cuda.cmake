# The CUDA Toolkit (13), cuBLASLt and NCCL, or the simulator in their place. Sets TANDEM_CUDA to on, off or sim,
# TANDEM_HAS_CUDA and TANDEM_HAS_NCCL to true or false, and tandem_cuda_target(target sources…), which lets one of our
# targets have CUDA sources.
if(TANDEM_CUDA STREQUAL "auto" OR TANDEM_CUDA STREQUAL "on")
    find_program(TANDEM_NVCC nvcc HINTS $ENV{CUDA_HOME}/bin /usr/local/cuda/bin)
    if(NOT TANDEM_NVCC AND TANDEM_CUDA STREQUAL "on")
        message(FATAL_ERROR "TANDEM_CUDA=on needs nvcc (CUDA Toolkit 13); set CUDA_HOME or use TANDEM_CUDA=off")
    endif()
    if(TANDEM_NVCC)
        set(TANDEM_CUDA on)
    else()
        set(TANDEM_CUDA off)
    endif()
endif()
message(STATUS "tandem: CUDA ${TANDEM_CUDA}")

set(TANDEM_HAS_CUDA true)
set(TANDEM_HAS_NCCL true)
if(TANDEM_CUDA STREQUAL "on")
    # RTX 30 (86), 40 (89) and 50 (120), A100 (80), H100 and H200 (90).
    set(TANDEM_CUDA_ARCHITECTURES "80;86;89;90;120" CACHE STRING "compute capabilities that are compiled for")
    set(CMAKE_CUDA_COMPILER ${TANDEM_NVCC})
    set(CMAKE_CUDA_ARCHITECTURES OFF)  # ours, below: real code for each, nothing for cards to come
    enable_language(CUDA)
    set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION -std=c++20)  # CMake 3.25 does not know it of nvcc 13
    find_package(CUDAToolkit REQUIRED)
    find_package(NCCL)
    if(NOT NCCL_FOUND)
        set(TANDEM_HAS_NCCL false)
    endif()
    # fmt 9 switches constexpr off under nvcc, which g++ then misses. ptxas tells of registers and spills.
    set(nvcc_options --fmad=false -DFMT_USE_CONSTEXPR=1 -Xptxas=-v "SHELL:--Werror all-warnings"
        -Xcompiler=-Wall,-Wextra,-ffp-contract=off "$<$<CONFIG:Release>:-UNDEBUG>")
    list(APPEND nvcc_options -Xcompiler=${prefix_map})
    if(NOT DEFINED ENV{CCACHE_BASEDIR})  # with it there are no absolute paths, and this would be in the cache's key
        list(APPEND nvcc_options -Xcompiler=${absolute_prefix_map})
    endif()
    foreach(architecture ${TANDEM_CUDA_ARCHITECTURES})
        list(APPEND nvcc_options "SHELL:-gencode arch=compute_${architecture},code=sm_${architecture}")
    endforeach()
    add_custom_target(cuda_objects)  # all that nvcc compiles
    function(tandem_cuda_target target)
        # OBJECT.ptxas: registers, shared memory and spills of its kernels; ccache repeats what the compiler said.
        set_target_properties(${target} PROPERTIES CUDA_STANDARD 20 CUDA_ARCHITECTURES OFF
            CUDA_COMPILER_LAUNCHER "${PROJECT_SOURCE_DIR}/third_party/ptxas_report.sh;${CMAKE_CXX_COMPILER_LAUNCHER}")
        target_compile_options(${target} PRIVATE "$<$<COMPILE_LANGUAGE:CUDA>:${nvcc_options}>")
        target_link_libraries(${target} PRIVATE CUDA::cudart_static CUDA::cublasLt)
        if(NCCL_FOUND AND "${ARGN}" MATCHES "/nccl/")
            target_link_libraries(${target} PRIVATE NCCL::NCCL)
        endif()
        # Where WSL and some containers keep the driver: the runtime looks for it only where the program says or the
        # system.
        target_link_options(${target} INTERFACE -Wl,-rpath,/usr/lib/wsl/lib -Wl,-rpath,/usr/local/nvidia/lib64)
        add_custom_target(${target}_cuda_objects DEPENDS $<FILTER:$<TARGET_OBJECTS:${target}>,INCLUDE,[.]cu[.]o>)
        add_dependencies(cuda_objects ${target}_cuda_objects)
    endfunction()
elseif(TANDEM_CUDA STREQUAL "sim")
    include(tests/cudasim/cudasim.cmake)
    function(tandem_cuda_target target)
        target_link_libraries(${target} PUBLIC cudasim)
        cudasim_sources(${ARGN})
    endfunction()
elseif(TANDEM_CUDA STREQUAL "off")
    set(TANDEM_HAS_CUDA false)
    set(TANDEM_HAS_NCCL false)
    function(tandem_cuda_target target)
    endfunction()
else()
    message(FATAL_ERROR "TANDEM_CUDA is auto, on, off or sim, not ${TANDEM_CUDA}")
endif()
