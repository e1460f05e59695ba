#include "dist/failure.h"

#include <fmt/core.h>

#include "runtime/error.h"

namespace tandem {

namespace {

template <class E> std::exception_ptr named(int rank, const E& e) {
    return std::make_exception_ptr(E(fmt::format("rank {}: {}", rank, e.message()), e.where()));
}

}  // namespace

std::exception_ptr named_failure(int rank, const std::exception_ptr& failure) noexcept try {
    try {
        std::rethrow_exception(failure);
    } catch (const InputError& e) {
        return named(rank, e);
    } catch (const DoesNotFit& e) {
        return named(rank, e);
    } catch (const Aborted& e) {
        return named(rank, e);
    } catch (const Error& e) {
        return named(rank, e);
    } catch (const std::exception& e) {
        return named(rank, Error(e.what()));
    } catch (...) {
        return named(rank, Error("an exception of unknown type"));
    }
} catch (...) {  // no memory for the name
    return failure;
}

}  // namespace tandem
