using System.Diagnostics.CodeAnalysis;

namespace StreamRec.Torch;

/// <summary>The type of a tensor's elements. The order is that of the native table <c>sr::dtypes</c>.</summary>
[SuppressMessage("Naming", "CA1720:Identifier contains type name", Justification = "The names of PyTorch.")]
public enum ScalarType
{
    Float32,
    Float64,
    Int64,
    Int32,
    Bool,
    UInt8,
    Float16,
    BFloat16,
}

/// <summary>What follows from an element type.</summary>
public static class ScalarTypes
{
    /// <summary>Bytes of one element.</summary>
    public static int Size(this ScalarType dtype) => dtype switch
    {
        ScalarType.Float64 or ScalarType.Int64 => 8,
        ScalarType.Float32 or ScalarType.Int32 => 4,
        ScalarType.Float16 or ScalarType.BFloat16 => 2,
        ScalarType.Bool or ScalarType.UInt8 => 1,
        _ => throw new ArgumentOutOfRangeException(nameof(dtype), dtype, "Unknown element type."),
    };

    /// <summary>Whether gradients exist for it.</summary>
    public static bool IsFloatingPoint(this ScalarType dtype) =>
        dtype is ScalarType.Float32 or ScalarType.Float64 or ScalarType.Float16 or ScalarType.BFloat16;

    /// <summary>The element type that a C# type is stored as.</summary>
    /// <exception cref="ArgumentException">No element type corresponds to <typeparamref name="T"/>.</exception>
    internal static ScalarType Of<T>()
        where T : unmanaged
    {
        if (typeof(T) == typeof(float))
            return ScalarType.Float32;
        if (typeof(T) == typeof(double))
            return ScalarType.Float64;
        if (typeof(T) == typeof(long))
            return ScalarType.Int64;
        if (typeof(T) == typeof(int))
            return ScalarType.Int32;
        if (typeof(T) == typeof(bool))
            return ScalarType.Bool;
        if (typeof(T) == typeof(byte))
            return ScalarType.UInt8;
        if (typeof(T) == typeof(Half))
            return ScalarType.Float16;
        throw new ArgumentException(
            $"No element type corresponds to {typeof(T).Name}; use float, double, long, int, bool, byte or Half.");
    }
}
