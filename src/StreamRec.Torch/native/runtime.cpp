// Errors, versions, devices, threads, random numbers and the gradient mode.
#include "shim.h"

#include <ATen/Parallel.h>
#include <c10/core/GradMode.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>

#include <cstdlib>
#include <dlfcn.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace
{
#ifdef __GLIBC__
// By default glibc gives every freed block of a few megabytes back to the system, and the next step of training pays for it again, page by
// page. Blocks up to 32 MB (the most that glibc allows) stay in the heap, and up to 256 MB of free heap is kept.
const bool keeps_memory = [] {
    mallopt(M_MMAP_THRESHOLD, 32 << 20);
    mallopt(M_TRIM_THRESHOLD, 256 << 20);
    mallopt(M_TOP_PAD, 16 << 20);
    return true;
}();
#endif
} // namespace

namespace sr
{
std::atomic<int64_t> live_handles{0};

char* copy_message(const char* message) noexcept
{
    const auto size = std::strlen(message) + 1;
    auto* copy = static_cast<char*>(std::malloc(size));
    if (copy != nullptr)
        std::memcpy(copy, message, size);
    return copy; // null = no memory even for the message; the caller still sees the status
}

thread_local RandomStream* random_stream = nullptr;

at::Generator generator_of(const at::Device& device)
{
    if (random_stream == nullptr)
        return {};
    for (auto& generator : random_stream->generators)
        if (generator.device() == device)
            return generator;
    auto generator = at::globalContext().defaultGenerator(device).clone();
    generator.set_current_seed(random_stream->seed);
    random_stream->generators.push_back(generator);
    return generator;
}

// OpenBLAS keeps its own thread count, which at::set_num_threads does not touch. It may be absent (MKL builds).
template <class Signature>
Signature* openblas(const char* name)
{
    return reinterpret_cast<Signature*>(dlsym(RTLD_DEFAULT, name));
}

static void set_blas_threads(int count)
{
    static auto* set = openblas<void(int)>("openblas_set_num_threads");
    if (set != nullptr)
        set(count);
}

SerialBlas::SerialBlas()
{
    static auto* get = openblas<int()>("openblas_get_num_threads");
    before_ = get == nullptr ? 1 : get();
    if (before_ > 1)
        set_blas_threads(1);
}

SerialBlas::~SerialBlas()
{
    if (before_ > 1)
        set_blas_threads(before_);
}
} // namespace sr

extern "C" __attribute__((visibility("default"))) void sr_string_free(char* text)
{
    std::free(text);
}

SR_FUNCTION(version, (int32_t* major, int32_t* minor, int32_t* patch), {
    *major = TORCH_VERSION_MAJOR;
    *minor = TORCH_VERSION_MINOR;
    *patch = TORCH_VERSION_PATCH;
})

SR_FUNCTION(live_handles, (int64_t* count), { *count = sr::live_handles.load(); })

SR_FUNCTION(set_threads, (int32_t count), {
    at::set_num_threads(count);
    sr::set_blas_threads(count);
})

SR_FUNCTION(get_threads, (int32_t* count), { *count = at::get_num_threads(); })

SR_FUNCTION(get_blas, (char** core, int32_t* threads), {
    auto* name = sr::openblas<char*()>("openblas_get_corename");
    auto* count = sr::openblas<int()>("openblas_get_num_threads");
    *core = name == nullptr ? nullptr : sr::copy_message(name());
    *threads = count == nullptr ? 0 : count();
})

SR_FUNCTION(cuda_devices, (int32_t* count), {
    const auto cuda = c10::DeviceType::CUDA;
    *count = c10::impl::hasDeviceGuardImpl(cuda) ? c10::impl::getDeviceGuardImpl(cuda)->deviceCount() : 0;
})

// The caller keeps the stream that was there before and hands it back at the end.
SR_FUNCTION(random_enter, (int64_t seed, sr::RandomStream** before), {
    auto* stream = new sr::RandomStream{static_cast<uint64_t>(seed), {}};
    *before = std::exchange(sr::random_stream, stream);
})
SR_FUNCTION(random_leave, (sr::RandomStream* before), { delete std::exchange(sr::random_stream, before); })

SR_FUNCTION(get_grad_enabled, (int32_t* enabled), { *enabled = c10::GradMode::is_enabled(); })
SR_FUNCTION(set_grad_enabled, (int32_t enabled), { c10::GradMode::set_enabled(enabled != 0); })
