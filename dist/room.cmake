tandem_room(dist tandem_runtime)
