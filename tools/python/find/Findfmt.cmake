# fmt::fmt of its headers alone: the wheel needs no libfmt.so, and no libfmt.a that Debian does not have.
find_path(FMT_INCLUDE_DIR fmt/format-inl.h)
mark_as_advanced(FMT_INCLUDE_DIR)
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(fmt REQUIRED_VARS FMT_INCLUDE_DIR)
if(fmt_FOUND AND NOT TARGET fmt::fmt)
    add_library(fmt::fmt INTERFACE IMPORTED)
    set_target_properties(fmt::fmt PROPERTIES
        INTERFACE_INCLUDE_DIRECTORIES "${FMT_INCLUDE_DIR}" INTERFACE_COMPILE_DEFINITIONS FMT_HEADER_ONLY)
endif()
