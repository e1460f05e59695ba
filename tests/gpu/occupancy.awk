# The table of tests/gpu/resources from two files: launches, `SOURCE MANGLED THREADS DYNAMIC_BYTES` as the simulator
# recorded them (the largest counts), and kernels, the lines of ptxas.awk. Names are left mangled for c++filt.
function ceil_to(n, unit) { return int((n + unit - 1) / unit) * unit }
function least(a, b) { return a < b ? a : b }
# In per cent of the threads of a multiprocessor: blocks bound by threads, slots, registers and shared memory.
function occupancy(arch, threads, registers, shared,    warps, blocks) {
    warps = int((threads + 31) / 32)
    blocks = least(int(most_threads[arch] / (warps * 32)), most_blocks[arch])
    blocks = least(blocks, int(4 * int(65536 / 4 / ceil_to(registers * 32, 256)) / warps))
    blocks = least(blocks, int(shared_bytes[arch] * 1024 / ceil_to(shared + 1024, 128)))  # 1 KB is the system's
    return int(100 * blocks * warps * 32 / most_threads[arch] + 0.5)
}
BEGIN {
    count = split("80 86 89 90 120", architectures, " ")
    split("2048 1536 1536 2048 1536", t, " "); split("32 16 24 32 24", b, " "); split("164 100 100 228 100", s, " ")
    for (i = 1; i <= count; i++) {
        a = architectures[i]
        most_threads[a] = t[i]; most_blocks[a] = b[i]; shared_bytes[a] = s[i]
    }
}
{ source = $1; sub(/.*\//, "", source); key = source " " (FILENAME == launches ? $2 : $3) }
FILENAME == launches {
    if ($3 > threads[key]) threads[key] = $3
    if ($4 > dynamic[key]) dynamic[key] = $4
    next
}
{
    if (!(key in where)) { where[key] = $1; name[key] = $3; order[++kernels] = key }
    registers[key, $2] = $4; static[key] = $5
    if ($6 + $7 > 0) spills[key] = spills[key] " " $2 ":" $6 + $7
}
END {
    for (k = 1; k <= kernels; k++) {
        key = order[k]
        row = where[key] "\t" name[key] "\t" (threads[key] ? threads[key] : "?") "\t" static[key] "\t"
        row = row (threads[key] ? dynamic[key] + 0 : "?")
        for (i = 1; i <= count; i++) row = row "\t" registers[key, architectures[i]]
        for (i = 1; i <= count; i++) {
            a = architectures[i]
            known = threads[key] && registers[key, a]
            row = row "\t" (known ? occupancy(a, threads[key], registers[key, a], static[key] + dynamic[key]) : "?")
        }
        print row "\t" (key in spills ? substr(spills[key], 2) : "-")
    }
}
