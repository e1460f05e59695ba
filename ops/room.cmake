tandem_room(ops tandem_quant)
