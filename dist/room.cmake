tandem_room(dist dist tandem_runtime)
tandem_public_headers(dist/ranks.h dist/launch.h dist/local_rank.h)
