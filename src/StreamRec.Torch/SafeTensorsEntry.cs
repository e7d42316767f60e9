namespace StreamRec.Torch;

/// <summary>One tensor of a safetensors file.</summary>
/// <param name="Name">Its key.</param>
/// <param name="Dtype">Element type.</param>
/// <param name="Shape">Sizes; empty for a single number.</param>
/// <param name="Begin">First byte, counted from the end of the header.</param>
/// <param name="End">One past the last byte; End - Begin is exactly elements times element size.</param>
public sealed record SafeTensorsEntry(string Name, ScalarType Dtype, IReadOnlyList<long> Shape, long Begin, long End);
