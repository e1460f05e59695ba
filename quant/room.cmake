tandem_room(quant quant tandem_runtime)
