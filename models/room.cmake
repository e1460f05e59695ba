tandem_room(models tandem_ops PCRE2::8BIT utf8proc::utf8proc)
