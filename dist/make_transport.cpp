#include "dist/make_transport.h"

#include "dist/nccl/nccl_transport.h"
#include "dist/peer/peer_transport.h"
#include "runtime/error.h"

namespace tandem {

std::unique_ptr<Transport> make_transport(const LaunchOptions& o, HostGroup& group, int rank) {
    const TransportKind kind = o.transport;
    if (o.cards.empty()) {
        if (kind == TransportKind::peer || kind == TransportKind::nccl)
            throw InputError("[launch] peer and nccl are for cards; set " + setting("transport") + " to host");
        return make_host_transport(group, rank);
    }
    if (kind == TransportKind::host)
        throw InputError("[launch] host is for CPU ranks; set " + setting("transport") + " to peer or nccl");
    if constexpr (build::has_cuda) {
        if (kind == TransportKind::nccl) {
            if constexpr (build::has_nccl) return make_nccl_transport(group, rank, o.cards);
            throw InputError("[launch] this program was built without NCCL; set " + setting("transport") + " to peer");
        }
        return make_peer_transport(group, rank, o.cards);
    }
    throw Error("[launch] this program was built without CUDA");
}

}  // namespace tandem
