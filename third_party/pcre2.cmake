find_package(PCRE2 REQUIRED)
