namespace StreamRec.Torch;

/// <summary>
/// Making tensors. <c>shape</c> takes a collection expression, an array or a span; the random ones draw from the
/// thread's <see cref="TorchRandom"/>.
/// </summary>
public sealed partial class Tensor
{
    public static Tensor Empty(ReadOnlySpan<long> shape, ScalarType dtype = ScalarType.Float32, Device device = default) =>
        Native.Own(
        Native.sr_empty(shape, shape.Length, (int)dtype, device.Type, device.Index, out var result, out var error), result, error);

    public static Tensor Zeros(ReadOnlySpan<long> shape, ScalarType dtype = ScalarType.Float32, Device device = default) =>
        Native.Own(
        Native.sr_zeros(shape, shape.Length, (int)dtype, device.Type, device.Index, out var result, out var error), result, error);

    public static Tensor Ones(ReadOnlySpan<long> shape, ScalarType dtype = ScalarType.Float32, Device device = default) =>
        Native.Own(
        Native.sr_ones(shape, shape.Length, (int)dtype, device.Type, device.Index, out var result, out var error), result, error);

    /// <summary>Every element is the value.</summary>
    public static Tensor Full(
        ReadOnlySpan<long> shape, Scalar value, ScalarType dtype = ScalarType.Float32, Device device = default) => Native.Own(
        Native.sr_full(shape, shape.Length, value, (int)dtype, device.Type, device.Index, out var result, out var error),
        result,
        error);

    /// <summary>Zeros of another tensor's shape, type and device.</summary>
    public static Tensor ZerosLike(Tensor other) =>
        Native.Own(Native.sr_zeros_like(other.Handle, out var result, out var error), result, error);

    /// <summary>Uniform in [0, 1).</summary>
    public static Tensor Rand(ReadOnlySpan<long> shape, ScalarType dtype = ScalarType.Float32, Device device = default) =>
        Native.Own(
        Native.sr_rand(shape, shape.Length, (int)dtype, device.Type, device.Index, out var result, out var error), result, error);

    /// <summary>Standard normal.</summary>
    public static Tensor RandN(ReadOnlySpan<long> shape, ScalarType dtype = ScalarType.Float32, Device device = default) =>
        Native.Own(
        Native.sr_randn(shape, shape.Length, (int)dtype, device.Type, device.Index, out var result, out var error), result, error);

    /// <summary>Uniform integers in [low, high).</summary>
    public static Tensor RandInt(
        long low, long high, ReadOnlySpan<long> shape, ScalarType dtype = ScalarType.Int64, Device device = default) => Native.Own(
        Native.sr_randint(low, high, shape, shape.Length, (int)dtype, device.Type, device.Index, out var result, out var error),
        result,
        error);

    /// <summary>0, 1, ... up to but not including <paramref name="end"/>: <c>[end]</c>.</summary>
    public static Tensor Arange(Scalar end, ScalarType dtype = ScalarType.Int64, Device device = default) =>
        Arange(0, end, 1, dtype, device);

    /// <summary>
    /// <paramref name="start"/>, then by <paramref name="step"/>, up to but not including <paramref name="end"/>.
    /// </summary>
    public static Tensor Arange(
        Scalar start, Scalar end, Scalar step, ScalarType dtype = ScalarType.Int64, Device device = default) => Native.Own(
        Native.sr_arange(start, end, step, (int)dtype, device.Type, device.Index, out var result, out var error), result, error);

    /// <summary>A CPU tensor with a copy of the elements, row-major.</summary>
    /// <typeparam name="T">float, double, long, int, bool, byte or Half; it decides the element type.</typeparam>
    /// <param name="data">The elements.</param>
    /// <param name="shape">Its product is the number of elements; left out, the tensor has one dimension.</param>
    /// <exception cref="ArgumentException"><typeparamref name="T"/> is not an element type.</exception>
    public static unsafe Tensor From<T>(ReadOnlySpan<T> data, params ReadOnlySpan<long> shape)
        where T : unmanaged
    {
        var dtype = ScalarTypes.Of<T>();
        if (shape.IsEmpty)
            shape = [data.Length];
        fixed (T* start = data)
        {
            var status = Native.sr_from_memory(
                (nint)start, (long)data.Length * sizeof(T), shape, shape.Length, (int)dtype, out var result, out var error);
            return Native.Own(status, result, error);
        }
    }

    /// <inheritdoc cref="From{T}(ReadOnlySpan{T}, ReadOnlySpan{long})"/>
    public static Tensor From<T>(T[] data, params ReadOnlySpan<long> shape)
        where T : unmanaged => From((ReadOnlySpan<T>)data, shape);

    /// <summary>A copy with its own elements; gradients flow through it.</summary>
    public Tensor Clone() => Native.Own(Native.sr_clone(Handle, out var result, out var error), result, error);

    /// <summary>
    /// The same elements without history: no gradient flows through it. Not to be confused with <see
    /// cref="TensorScope.Detach"/>.
    /// </summary>
    public Tensor Detach() => Native.Own(Native.sr_detach(Handle, out var result, out var error), result, error);

    /// <summary>The elements as another type; the same elements when it is this type already.</summary>
    public Tensor To(ScalarType dtype) =>
        Native.Own(Native.sr_to_dtype(Handle, (int)dtype, out var result, out var error), result, error);

    /// <summary>The elements on another device; the same elements when they are there already.</summary>
    public Tensor To(Device device) =>
        Native.Own(Native.sr_to_device(Handle, device.Type, device.Index, out var result, out var error), result, error);
}
