# tandem as a C++ package: its headers, as <tandem/…>, in the build folder and below a prefix, and what
# find_package(tandem CONFIG) reads there. Rooms are exported as tandem::<room>.
file(GLOB_RECURSE headers CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/runtime/*.h ${PROJECT_SOURCE_DIR}/quant/*.h
    ${PROJECT_SOURCE_DIR}/ops/*.h ${PROJECT_SOURCE_DIR}/models/*.h ${PROJECT_SOURCE_DIR}/dist/*.h
    ${PROJECT_SOURCE_DIR}/tools/session/*.h ${PROJECT_SOURCE_DIR}/tools/check_op/*.h)
get_property(public_headers GLOBAL PROPERTY TANDEM_PUBLIC_HEADERS)
set(include ${PROJECT_BINARY_DIR}/include)
set(stage ${PROJECT_SOURCE_DIR}/tools/package/stage_headers.cmake)
add_custom_command(OUTPUT ${PROJECT_BINARY_DIR}/headers.stamp
    COMMAND ${CMAKE_COMMAND} -DFROM=${PROJECT_SOURCE_DIR} -DGENERATED=${PROJECT_BINARY_DIR}/generated
        -DTO=${include}/tandem -P ${stage} ${public_headers}
    COMMAND ${CMAKE_COMMAND} -E touch ${PROJECT_BINARY_DIR}/headers.stamp
    DEPENDS ${headers} ${stage} ${PROJECT_BINARY_DIR}/generated/runtime/build.h
    COMMENT "Staging the public headers" VERBATIM)
add_custom_target(tandem_headers DEPENDS ${PROJECT_BINARY_DIR}/headers.stamp)
add_dependencies(tandem_runtime tandem_headers)
target_include_directories(tandem_runtime INTERFACE $<BUILD_INTERFACE:${include}> $<INSTALL_INTERFACE:include>)

get_property(rooms GLOBAL PROPERTY TANDEM_ROOMS)
add_custom_target(tandem_package DEPENDS ${rooms})  # all that is installed

option(TANDEM_INSTALL "install the package" ${PROJECT_IS_TOP_LEVEL})
if(NOT TANDEM_INSTALL OR TANDEM_CUDA STREQUAL "sim")
    return()
endif()

include(CMakePackageConfigHelpers)
include(GNUInstallDirs)
set(place ${CMAKE_INSTALL_LIBDIR}/cmake/tandem)
string(REGEX MATCH "^[0-9]+" fmt_major ${fmt_VERSION})
configure_package_config_file(tools/package/tandemConfig.cmake.in tandemConfig.cmake INSTALL_DESTINATION ${place}
    NO_SET_AND_CHECK_MACRO NO_CHECK_REQUIRED_COMPONENTS_MACRO)
write_basic_package_version_file(tandemConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/tandemConfig.cmake ${PROJECT_BINARY_DIR}/tandemConfigVersion.cmake
    third_party/find/FindPCRE2.cmake third_party/find/Findutf8proc.cmake third_party/find/FindNCCL.cmake
    DESTINATION ${place})
install(DIRECTORY ${include}/tandem DESTINATION include)
install(TARGETS ${rooms} EXPORT tandem ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(EXPORT tandem NAMESPACE tandem:: FILE tandemTargets.cmake DESTINATION ${place})
