// Streams of a CPU rank.
#pragma once
#include <memory>

#include "runtime/stream.h"
#include "runtime/stream_owner.h"

namespace tandem {

// Runs work in the calling thread, at once.
std::unique_ptr<Stream> make_inline_stream(const StreamOwner& owner);
// Runs work in a thread of its own. Its destructor drops what has not started and joins.
std::unique_ptr<Stream> make_worker_stream(const StreamOwner& owner);

}  // namespace tandem
