tandem_room(dist dist tandem_runtime)
