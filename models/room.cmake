tandem_room(models models tandem_ops)
target_link_libraries(tandem_models PRIVATE PCRE2::8BIT utf8proc::utf8proc)
