tandem_room(session tools/session tandem_models tandem_dist)
tandem_public_headers(tools/session/*.h)
