// DLPack's structs and numbers, as its specification has them (https://dmlc.github.io/dlpack/latest/c_api.html, 1.1):
// an ABI, so that names and layout are the specification's.
#pragma once
#include <cstdint>

namespace tandem::python::dlpack {

inline constexpr std::uint32_t major_version = 1, minor_version = 1;

struct DLPackVersion {
    std::uint32_t major, minor;
};

enum DLDeviceType : std::int32_t { kDLCPU = 1, kDLCUDA = 2, kDLCUDAHost = 3 };

struct DLDevice {
    std::int32_t device_type, device_id;
};

enum DLDataTypeCode : std::uint8_t {
    kDLInt = 0, kDLUInt = 1, kDLFloat = 2, kDLBfloat = 4, kDLBool = 6, kDLFloat8_e4m3fn = 10, kDLFloat8_e5m2 = 12
};

struct DLDataType {
    std::uint8_t code, bits;
    std::uint16_t lanes;
};

struct DLTensor {
    void* data;
    DLDevice device;
    std::int32_t ndim;
    DLDataType dtype;
    std::int64_t* shape;
    std::int64_t* strides;  // in elements; null: contiguous
    std::uint64_t byte_offset;
};

struct DLManagedTensor {
    DLTensor dl_tensor;
    void* manager_ctx;
    void (*deleter)(DLManagedTensor* self);  // may be null
};

enum DLPackFlags : std::uint64_t { read_only = 1, is_copied = 2 };

struct DLManagedTensorVersioned {
    DLPackVersion version;
    void* manager_ctx;
    void (*deleter)(DLManagedTensorVersioned* self);  // may be null
    std::uint64_t flags;
    DLTensor dl_tensor;
};

}  // namespace tandem::python::dlpack
