tandem_room(ops ops tandem_quant)
# Elementwise kernels are plain loops that the compiler turns into vectors (ops/simd). no-trapping-math changes no
# value: it lets both sides of a selection be computed.
target_compile_options(tandem_ops PRIVATE -O3 -fno-trapping-math)
# ops/<op>/<op>.h, and what loops on the CPU are written with
file(GLOB folders RELATIVE ${PROJECT_SOURCE_DIR}/ops CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/ops/*)
foreach(op ${folders})
    tandem_public_headers(ops/${op}/${op}.h)
endforeach()
tandem_public_headers(ops/simd/*.h)
