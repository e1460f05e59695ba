tandem_room(session tools/session tandem_models tandem_dist)
tandem_public_headers(tools/session/tandem.h tools/session/fine_tune.h tools/session/loaded_model.h tools/session/run.h)
