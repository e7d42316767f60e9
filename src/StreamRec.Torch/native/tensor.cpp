// A tensor's birth and death, what it is, its numbers and its gradient.
#include "shim.h"

namespace sr
{
// The order is that of the managed ScalarType.
constexpr at::ScalarType dtypes[] = {at::kFloat, at::kDouble, at::kLong, at::kInt, at::kBool, at::kByte, at::kHalf, at::kBFloat16};

at::ScalarType dtype_of(int32_t code)
{
    TORCH_CHECK(code >= 0 && code < static_cast<int32_t>(std::size(dtypes)), "unknown dtype code ", code);
    return dtypes[code];
}

int32_t code_of(at::ScalarType dtype)
{
    for (size_t i = 0; i < std::size(dtypes); i++)
        if (dtypes[i] == dtype)
            return static_cast<int32_t>(i);
    TORCH_CHECK(false, "dtype ", dtype, " has no counterpart in the binding");
}

static at::Device device_of(int32_t type, int32_t index)
{
    return type == 0 ? at::Device(at::kCPU) : at::Device(at::kCUDA, static_cast<at::DeviceIndex>(index));
}

at::TensorOptions options_of(int32_t dtype, int32_t device_type, int32_t device_index)
{
    return at::TensorOptions().dtype(dtype_of(dtype)).device(device_of(device_type, device_index));
}

at::Tensor gradient_of(at::Tensor& leaf)
{
    if (!leaf.grad().defined())
        leaf.mutable_grad() = at::zeros_like(leaf.detach());
    TORCH_CHECK(leaf.grad().is_contiguous(), "a gradient that is added to in place must be contiguous");
    return leaf.grad();
}

at::Scalar scalar_of(const sr_scalar& value)
{
    TORCH_CHECK(value.kind != 0, "a number is missing");
    if (value.kind == 1)
        return at::Scalar(value.bits);
    double number;
    std::memcpy(&number, &value.bits, sizeof number);
    return at::Scalar(number);
}
} // namespace sr

extern "C" __attribute__((visibility("default"))) void sr_tensor_free(Handle tensor)
{
    if (tensor == nullptr)
        return;
    sr::live_handles.fetch_sub(1, std::memory_order_relaxed);
    delete tensor;
}

#define SR_CREATE(name, expression)                                                                                    \
    SR_FUNCTION(name, (const int64_t* shape, int32_t rank, int32_t dtype, int32_t device, int32_t index,               \
        Handle* result),                                                                                               \
        { const auto size = span_of(shape, rank); const auto o = sr::options_of(dtype, device, index);                 \
          *result = own(expression); })

SR_CREATE(empty, at::empty(size, o))
SR_CREATE(zeros, at::zeros(size, o))
SR_CREATE(ones, at::ones(size, o))
SR_CREATE(rand, at::rand(size, sr::generator_of(o.device()), o))
SR_CREATE(randn, at::randn(size, sr::generator_of(o.device()), o))

SR_FUNCTION(full, (const int64_t* shape, int32_t rank, sr_scalar value, int32_t dtype, int32_t device, int32_t index,
    Handle* result),
    { *result = own(at::full(span_of(shape, rank), scalar_of(value), sr::options_of(dtype, device, index))); })
SR_FUNCTION(randint, (int64_t low, int64_t high, const int64_t* shape, int32_t rank, int32_t dtype, int32_t device,
    int32_t index, Handle* result),
    {
        const auto o = sr::options_of(dtype, device, index);
        *result = own(at::randint(low, high, span_of(shape, rank), sr::generator_of(o.device()), o));
    })
SR_FUNCTION(arange, (sr_scalar start, sr_scalar end, sr_scalar step, int32_t dtype, int32_t device, int32_t index,
    Handle* result),
    { *result = own(at::arange(scalar_of(start), scalar_of(end), scalar_of(step), sr::options_of(dtype, device, index))); })
SR_FUNCTION(from_memory, (const void* data, int64_t bytes, const int64_t* shape, int32_t rank, int32_t dtype,
    Handle* result), {
    auto tensor = at::empty(span_of(shape, rank), sr::options_of(dtype, 0, 0));
    const auto expected = static_cast<int64_t>(tensor.nbytes());
    TORCH_CHECK(expected == bytes, "shape ", tensor.sizes(), " holds ", tensor.numel(), " elements but ",
        bytes / static_cast<int64_t>(tensor.element_size()), " were given");
    if (bytes > 0)
        std::memcpy(tensor.data_ptr(), data, static_cast<size_t>(bytes));
    *result = own(std::move(tensor));
})

SR_UNARY(zeros_like, at::zeros_like(x))
SR_UNARY(clone, at::clone(x))
SR_UNARY(detach, x.detach())
SR_UNARY(contiguous, x.contiguous())
SR_FUNCTION(to_dtype, (Handle self, int32_t dtype, Handle* result), { *result = own(self->to(sr::dtype_of(dtype))); })
SR_FUNCTION(to_device, (Handle self, int32_t type, int32_t index, Handle* result),
    { *result = own(self->to(sr::device_of(type, index))); })

SR_FUNCTION(dim, (Handle self, int64_t* dim), { *dim = self->dim(); })
SR_FUNCTION(numel, (Handle self, int64_t* numel), { *numel = self->numel(); })
SR_FUNCTION(size, (Handle self, int64_t dim, int64_t* size), { *size = self->size(dim); })
SR_FUNCTION(sizes, (Handle self, int64_t* sizes), { const auto s = self->sizes(); std::copy(s.begin(), s.end(), sizes); })
SR_FUNCTION(dtype, (Handle self, int32_t* code), { *code = sr::code_of(self->scalar_type()); })
SR_FUNCTION(device, (Handle self, int32_t* type, int32_t* index), {
    TORCH_CHECK(self->is_cpu() || self->is_cuda(), "device ", self->device(), " has no counterpart in the binding");
    *type = self->is_cuda();
    *index = self->is_cuda() ? self->get_device() : 0;
})
SR_FUNCTION(is_contiguous, (Handle self, int32_t* yes), { *yes = self->is_contiguous(); })

SR_FUNCTION(item, (Handle self, int64_t* integer, double* number), {
    const auto value = self->item();
    *integer = value.isFloatingPoint() ? 0 : value.toLong();
    *number = value.toDouble();
})
SR_FUNCTION(data, (Handle self, void** data), {
    TORCH_CHECK(self->is_cpu(), "the data of a tensor on ", self->device(), " cannot be addressed; copy it to the CPU first");
    TORCH_CHECK(self->is_contiguous(), "the data of a tensor that is not contiguous cannot be addressed as one block");
    *data = self->data_ptr();
})
SR_FUNCTION(copy_out, (Handle self, void* destination, int64_t bytes), {
    const auto source = self->detach().to(at::kCPU).contiguous();
    const auto available = static_cast<int64_t>(source.nbytes());
    TORCH_CHECK(bytes == available, "the tensor has ", available, " bytes, the destination ", bytes);
    if (bytes > 0)
        std::memcpy(destination, source.data_ptr(), static_cast<size_t>(bytes));
})

SR_FUNCTION(get_requires_grad, (Handle self, int32_t* yes), { *yes = self->requires_grad(); })
SR_FUNCTION(set_requires_grad, (Handle self, int32_t yes), {
    TORCH_CHECK(self->is_leaf() || yes != 0, "you can only change requires_grad flags of leaf variables");
    self->set_requires_grad(yes != 0);
})
SR_FUNCTION(get_grad, (Handle self, Handle* grad), { *grad = self->grad().defined() ? own(self->grad()) : nullptr; })
SR_FUNCTION(set_grad, (Handle self, Handle grad), {
    if (grad == nullptr)
    {
        self->mutable_grad() = at::Tensor();
        return;
    }
    TORCH_CHECK(grad->sizes() == self->sizes() && grad->scalar_type() == self->scalar_type()
        && grad->device() == self->device(), "a gradient must have its tensor's shape, dtype and device");
    self->mutable_grad() = *grad;
})
SR_FUNCTION(set_data, (Handle self, Handle source), {
    self->mutable_grad() = at::Tensor();
    self->set_data(source->detach());
})
SR_FUNCTION(backward, (Handle self, Handle gradient, int32_t retain_graph), {
    self->backward(gradient == nullptr ? at::Tensor() : *gradient, retain_graph != 0);
})
