tandem_room(quant tandem_runtime)
