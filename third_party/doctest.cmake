if(TANDEM_TESTS)
    find_package(doctest REQUIRED)
endif()
