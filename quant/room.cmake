tandem_room(quant quant tandem_runtime)
tandem_public_headers(quant/quantize.h quant/formats.h)
