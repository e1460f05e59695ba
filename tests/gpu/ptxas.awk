# What ptxas said of each kernel, from files SOURCE.cu.o.ptxas (third_party/ptxas_report.sh), one line each:
# SOURCE ARCHITECTURE MANGLED REGISTERS STATIC_SHARED_BYTES SPILL_STORE_BYTES SPILL_LOAD_BYTES
# The compiler's name for a file's anonymous namespace becomes that of g++.
function number_before(what) { return match($0, "[0-9]+ bytes " what) ? substr($0, RSTART) + 0 : 0 }
FNR == 1 {
    source = FILENAME
    sub(/\.o\.ptxas$/, "", source)
    sub(/.*\.dir\//, "", source)
}
/Compiling entry function/ {
    split($0, quoted, "'")
    kernel = quoted[2]
    architecture = quoted[4]
    sub(/^sm_/, "", architecture)
    while (match(kernel, /[0-9]+_GLOBAL__N__[0-9a-f]+_/)) {  # a length, and a name so long that begins with _GLOBAL
        rest = substr(kernel, RSTART)
        digits = index(rest, "_") - 1
        kernel = substr(kernel, 1, RSTART - 1) "12_GLOBAL__N_1" substr(rest, digits + substr(rest, 1, digits) + 1)
    }
}
/bytes spill stores/ { stores = number_before("spill stores"); loads = number_before("spill loads") }
/Used [0-9]+ registers/ {
    match($0, /Used [0-9]+/)
    print source, architecture, kernel, substr($0, RSTART + 5, RLENGTH - 5), number_before("smem"), stores, loads
}
