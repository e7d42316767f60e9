namespace StreamRec.Torch;

/// <summary>Reading elements out. The type asked for must be the element type; nothing is converted silently.</summary>
public sealed partial class Tensor
{
    /// <summary>The one element, from any device.</summary>
    /// <typeparam name="T">
    /// float or double for floating types (a rounding to float is accepted), long, int or byte for integer types when
    /// the value fits, bool for Bool.
    /// </typeparam>
    /// <exception cref="TorchException">There is not exactly one element.</exception>
    /// <exception cref="InvalidOperationException"><typeparamref name="T"/> does not suit the element type.</exception>
    /// <exception cref="OverflowException">The integer does not fit.</exception>
    public T Item<T>()
        where T : unmanaged
    {
        var dtype = Dtype;
        Native.Check(Native.sr_item(Handle, out var integer, out var number, out var error), error);
        if (dtype.IsFloatingPoint())
        {
            if (typeof(T) == typeof(double))
                return (T)(object)number;
            if (typeof(T) == typeof(float))
                return (T)(object)(float)number;
        }
        else if (dtype == ScalarType.Bool)
        {
            if (typeof(T) == typeof(bool))
                return (T)(object)(integer != 0);
        }
        else
        {
            if (typeof(T) == typeof(long))
                return (T)(object)integer;
            if (typeof(T) == typeof(int))
                return (T)(object)checked((int)integer);
            if (typeof(T) == typeof(byte))
                return (T)(object)checked((byte)integer);
        }

        throw WrongType<T>(dtype);
    }

    /// <summary>All elements, row-major, from any device and layout.</summary>
    /// <exception cref="InvalidOperationException"><typeparamref name="T"/> is not the element type.</exception>
    public T[] ToArray<T>()
        where T : unmanaged
    {
        RequireType<T>();
        var array = new T[Numel];
        CopyTo<T>(array);
        return array;
    }

    /// <summary>Copies all elements, row-major, from any device and layout.</summary>
    /// <param name="destination">Exactly as long as the tensor has elements.</param>
    /// <exception cref="InvalidOperationException"><typeparamref name="T"/> is not the element type.</exception>
    /// <exception cref="TorchException">The destination is longer or shorter.</exception>
    public unsafe void CopyTo<T>(Span<T> destination)
        where T : unmanaged
    {
        RequireType<T>();
        fixed (T* start = destination)
        {
            var status = Native.sr_copy_out(Handle, (nint)start, (long)destination.Length * sizeof(T), out var error);
            Native.Check(status, error);
        }
    }

    /// <summary>The elements of a contiguous CPU tensor where they are, without a copy.</summary>
    /// <remarks>
    /// Lifetime: the span is valid until this tensor is freed (a closing scope counts). The caller keeps the tensor
    /// reachable while it reads.
    /// </remarks>
    /// <exception cref="InvalidOperationException">
    /// <typeparamref name="T"/> is not the element type, or there are more than 2^31 - 1 elements.
    /// </exception>
    /// <exception cref="TorchException">The tensor is on another device or not contiguous.</exception>
    public unsafe ReadOnlySpan<T> Data<T>()
        where T : unmanaged => new((void*)Address<T>(out var length), length);

    /// <summary>
    /// As <see cref="Data{T}"/>, to be written: behind autograd's back, so only while nothing was computed from the
    /// tensor.
    /// </summary>
    internal unsafe Span<T> MutableData<T>()
        where T : unmanaged => new((void*)Address<T>(out var length), length);

    /// <summary>Address of the first byte of a contiguous CPU tensor.</summary>
    internal nint Address()
    {
        Native.Check(Native.sr_data(Handle, out var data, out var error), error);
        return data;
    }

    private nint Address<T>(out int length)
        where T : unmanaged
    {
        RequireType<T>();
        var numel = Numel;
        if (numel > int.MaxValue)
            throw new InvalidOperationException($"The tensor has {numel} elements; a span holds at most {int.MaxValue}.");
        length = (int)numel;
        return Address();
    }

    private void RequireType<T>()
        where T : unmanaged
    {
        var dtype = Dtype;
        if (ScalarTypes.Of<T>() != dtype)
            throw WrongType<T>(dtype);
    }

    private static InvalidOperationException WrongType<T>(ScalarType dtype) =>
        new($"The tensor's element type is {dtype}; it cannot be read as {typeof(T).Name}. Convert it with To(ScalarType) first.");
}
