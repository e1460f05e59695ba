# One test program per room: tests/<room>/**/*_test.cpp, with tests/main.cpp around them. Golden data is read from
# TANDEM_TEST_DATA (tests/golden).
file(GLOB rooms RELATIVE ${CMAKE_SOURCE_DIR}/tests CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/*)
foreach(room ${rooms})
    file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/${room}/*_test.cpp)
    if(IS_DIRECTORY ${CMAKE_SOURCE_DIR}/tests/${room} AND sources)
        add_executable(test_${room} tests/main.cpp ${sources})
        target_link_libraries(test_${room} PRIVATE tandem_tools doctest::doctest)
        target_compile_definitions(test_${room} PRIVATE TANDEM_TEST_DATA="${CMAKE_SOURCE_DIR}/tests/golden")
        add_test(NAME ${room} COMMAND test_${room})
    endif()
endforeach()
