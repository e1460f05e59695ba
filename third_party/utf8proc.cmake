find_package(utf8proc REQUIRED)
