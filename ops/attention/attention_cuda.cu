#include "ops/attention/attention_kernels.h"

namespace tandem {

void attention_forward(const CudaDevice&, const AttentionForward&) { throw Error("[attention_forward] pending"); }
void attention_backward(const CudaDevice&, const AttentionBackward&) { throw Error("[attention_backward] pending"); }
void attention_cached_forward(const CudaDevice&, const AttentionCached&) { throw Error("[attention_cached_forward] pending"); }

}  // namespace tandem
