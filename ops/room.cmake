tandem_room(ops ops tandem_quant)
# Elementwise kernels are plain loops that the compiler turns into vectors (ops/simd). no-trapping-math changes no
# value: it lets both sides of a selection be computed.
target_compile_options(tandem_ops PRIVATE -O3 -fno-trapping-math)
