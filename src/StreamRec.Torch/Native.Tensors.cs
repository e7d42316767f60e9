using System.Runtime.InteropServices;

namespace StreamRec.Torch;

/// <summary>Functions of native/tensor.cpp and native/optim.cpp.</summary>
internal static partial class Native
{
    [LibraryImport(Library)]
    internal static partial int sr_empty(
        ReadOnlySpan<long> shape, int rank, int dtype, int device, int index, out nint result, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_zeros(
        ReadOnlySpan<long> shape, int rank, int dtype, int device, int index, out nint result, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_ones(
        ReadOnlySpan<long> shape, int rank, int dtype, int device, int index, out nint result, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_rand(
        ReadOnlySpan<long> shape, int rank, int dtype, int device, int index, out nint result, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_randn(
        ReadOnlySpan<long> shape, int rank, int dtype, int device, int index, out nint result, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_full(
        ReadOnlySpan<long> shape, int rank, Scalar value, int dtype, int device, int index, out nint result,
        out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_randint(
        long low, long high, ReadOnlySpan<long> shape, int rank, int dtype, int device, int index, out nint result,
        out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_arange(
        Scalar start, Scalar end, Scalar step, int dtype, int device, int index, out nint result, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_from_memory(
        nint data, long bytes, ReadOnlySpan<long> shape, int rank, int dtype, out nint result, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_zeros_like(TensorHandle self, out nint result, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_clone(TensorHandle self, out nint result, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_detach(TensorHandle self, out nint result, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_contiguous(TensorHandle self, out nint result, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_to_dtype(TensorHandle self, int dtype, out nint result, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_to_device(TensorHandle self, int type, int index, out nint result, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_dim(TensorHandle self, out long dim, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_numel(TensorHandle self, out long numel, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_size(TensorHandle self, long dim, out long size, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_sizes(TensorHandle self, Span<long> sizes, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_dtype(TensorHandle self, out int code, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_device(TensorHandle self, out int type, out int index, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_is_contiguous(TensorHandle self, out int yes, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_item(TensorHandle self, out long integer, out double number, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_data(TensorHandle self, out nint data, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_copy_out(TensorHandle self, nint destination, long bytes, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_get_requires_grad(TensorHandle self, out int yes, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_set_requires_grad(TensorHandle self, int yes, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_get_grad(TensorHandle self, out nint grad, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_set_grad(TensorHandle self, TensorHandle grad, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_set_data(TensorHandle self, TensorHandle source, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_backward(
        TensorHandle self, TensorHandle gradient, int retainGraph, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_adam_step(
        ReadOnlySpan<nint> parameters, ReadOnlySpan<nint> first, ReadOnlySpan<nint> second, Span<long> steps,
        int count, in AdamSettings settings, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_adam_step_factors(
        in AdamSettings settings, long number, out StepFactors factors, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_adam_rows(
        TensorHandle parameter, TensorHandle first, TensorHandle second, Span<long> done, ReadOnlySpan<long> rows, long count,
        ReadOnlySpan<StepFactors> history, long start, long until, int withGradient, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_average(
        ReadOnlySpan<nint> parameters, ReadOnlySpan<nint> averages, int count, double decay, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_zero_grad(ReadOnlySpan<nint> parameters, int count, out nint error);

    [LibraryImport(Library)]
    internal static partial int sr_clip_grad_norm(
        ReadOnlySpan<nint> parameters, int count, double maxNorm, out double norm, out nint error);
}
