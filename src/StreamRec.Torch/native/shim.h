// C ABI over ATen. Every function returns 0, or 1 with *error set to a message that the caller frees by sr_string_free.
// Tensor handles are heap-allocated at::Tensor objects owned by the caller; sr_tensor_free ends one.
#pragma once

#include "compat.h"

#include <ATen/ATen.h>

#include <atomic>
#include <cstdint>
#include <cstring>
#include <exception>
#include <utility>
#include <vector>

/// A number whose kind matters for type promotion: an integer leaves an integer tensor what it is.
struct sr_scalar
{
    int64_t bits;
    int64_t kind; // 0 = none, 1 = int64, 2 = double
};

namespace sr
{
using Handle = at::Tensor*;

extern std::atomic<int64_t> live_handles;

char* copy_message(const char* message) noexcept;
at::ScalarType dtype_of(int32_t code);
int32_t code_of(at::ScalarType dtype);
at::TensorOptions options_of(int32_t dtype, int32_t device_type, int32_t device_index);
at::Scalar scalar_of(const sr_scalar& value);

inline Handle own(at::Tensor tensor)
{
    auto* handle = new at::Tensor(std::move(tensor));
    live_handles.fetch_add(1, std::memory_order_relaxed);
    return handle;
}

inline at::IntArrayRef span_of(const int64_t* data, int32_t length)
{
    return at::IntArrayRef(data, static_cast<size_t>(length));
}

/// A leaf's gradient, zeros where it has none yet.
at::Tensor gradient_of(at::Tensor& leaf);

/// Random numbers that one thread draws for itself: a generator for each device that it draws on, all begun with the seed.
struct RandomStream
{
    uint64_t seed;
    std::vector<at::Generator> generators;
};

extern thread_local RandomStream* random_stream;

/// The calling thread's generator for a device; undefined outside a stream, which means libtorch's global one.
at::Generator generator_of(const at::Device& device);

/// While it lives, matrix products run on the calling thread: for loops that are parallel themselves.
class SerialBlas
{
public:
    SerialBlas();
    ~SerialBlas();
    SerialBlas(const SerialBlas&) = delete;
    SerialBlas& operator=(const SerialBlas&) = delete;

private:
    int before_;
};

template <class Body>
int32_t guard(char** error, Body&& body) noexcept
{
    try
    {
        body();
        *error = nullptr;
        return 0;
    }
    catch (const c10::Error& e)
    {
        *error = copy_message(e.what_without_backtrace());
    }
    catch (const std::exception& e)
    {
        *error = copy_message(e.what());
    }
    catch (...)
    {
        *error = copy_message("unknown C++ exception");
    }
    return 1;
}
} // namespace sr

using sr::Handle;
using sr::own;
using sr::scalar_of;
using sr::span_of;

#define SR_LIST(...) __VA_ARGS__

// SR_FUNCTION(name, (parameters), { body }): sr_name(parameters, char** error)
#define SR_FUNCTION(name, parameters, ...)                                                                             \
    extern "C" __attribute__((visibility("default"))) int32_t sr_##name(SR_LIST parameters, char** error)              \
    {                                                                                                                  \
        return sr::guard(error, [&]() __VA_ARGS__);                                                                    \
    }

// One result from x; from a and b; from x and the number s.
#define SR_UNARY(name, expression)                                                                                     \
    SR_FUNCTION(name, (Handle self, Handle* result), { const auto& x = *self; *result = own(expression); })
#define SR_BINARY(name, expression)                                                                                    \
    SR_FUNCTION(name, (Handle first, Handle second, Handle* result),                                                   \
        { const auto& a = *first; const auto& b = *second; *result = own(expression); })
#define SR_WITH_SCALAR(name, expression)                                                                               \
    SR_FUNCTION(name, (Handle self, sr_scalar number, Handle* result),                                                 \
        { const auto& x = *self; const auto s = scalar_of(number); *result = own(expression); })
// One result from x along a dimension; two results (values, indices).
#define SR_ALONG(name, expression)                                                                                     \
    SR_FUNCTION(name, (Handle self, int64_t dim, int32_t keepdim, Handle* result),                                     \
        { const auto& x = *self; const bool keep = keepdim != 0; *result = own(expression); (void)keep; })
// x is changed.
#define SR_IN_PLACE(name, parameters, expression)                                                                      \
    SR_FUNCTION(name, (Handle self, SR_LIST parameters), { auto& x = *self; expression; })
