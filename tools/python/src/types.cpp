#include "tools/python/src/types.h"

#include <array>

#include "runtime/error.h"

namespace tandem::python {

namespace {

using namespace dlpack;

struct Entry {
    DType dtype;
    DLDataType dlpack;
    const char* name;
};
constexpr std::array entries{
    Entry{DType::f64, {kDLFloat, 64, 1}, "float64"},
    Entry{DType::f32, {kDLFloat, 32, 1}, "float32"},
    Entry{DType::bf16, {kDLBfloat, 16, 1}, "bfloat16"},
    Entry{DType::f16, {kDLFloat, 16, 1}, "float16"},
    Entry{DType::i64, {kDLInt, 64, 1}, "int64"},
    Entry{DType::i32, {kDLInt, 32, 1}, "int32"},
    Entry{DType::i16, {kDLInt, 16, 1}, "int16"},
    Entry{DType::i8, {kDLInt, 8, 1}, "int8"},
    Entry{DType::u64, {kDLUInt, 64, 1}, "uint64"},
    Entry{DType::u32, {kDLUInt, 32, 1}, "uint32"},
    Entry{DType::u16, {kDLUInt, 16, 1}, "uint16"},
    Entry{DType::u8, {kDLUInt, 8, 1}, "uint8"},
    Entry{DType::boolean, {kDLBool, 8, 1}, "bool"},
    Entry{DType::f8_e4m3, {kDLFloat8_e4m3fn, 8, 1}, "float8_e4m3fn"},
    Entry{DType::f8_e5m2, {kDLFloat8_e5m2, 8, 1}, "float8_e5m2"},
};

const Entry& entry(DType t) {
    for (const Entry& e : entries)
        if (e.dtype == t) return e;
    throw Error("[python] expected a type of the table, got " + std::string(name_of(t)));
}

}  // namespace

DLDataType dlpack_type(DType t) { return entry(t).dlpack; }
const char* python_name(DType t) { return entry(t).name; }

DType dtype_of_dlpack(DLDataType t) {
    for (const Entry& e : entries)
        if (e.dlpack.code == t.code && e.dlpack.bits == t.bits && e.dlpack.lanes == t.lanes) return e.dtype;
    throw InputError("[from_dlpack] expected numbers of a type that tandem has (floats of 8 to 64 bits, bfloat16, "
                     "integers, bool), got DLPack's type " + std::to_string(t.code) + " of " +
                     std::to_string(t.bits) + " bits and " + std::to_string(t.lanes) + " lanes; convert it");
}

DType dtype_named(const std::string& name) {
    for (const Entry& e : entries)
        if (e.name == name) return e.dtype;
    throw InputError("expected the name of a type such as float32 or bfloat16, got " + name);
}

}  // namespace tandem::python
