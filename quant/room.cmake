tandem_room(quant quant tandem_runtime)
# Encoders are plain loops that the compiler turns into vectors.
target_compile_options(tandem_quant PRIVATE -O3)
tandem_public_headers(quant/quantize.h quant/formats.h)
