using System.Buffers;
using System.Buffers.Binary;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace StreamRec.Torch;

/// <summary>Writing: the same tensors and metadata give the same bytes.</summary>
public sealed partial class SafeTensorsFile
{
    private static readonly JsonWriterOptions WriterOptions = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>
    /// Writes a new file, or replaces one, and returns when it is on the disk (the directory entry is the caller's to
    /// flush).
    /// </summary>
    /// <remarks>
    /// As the reference implementation: wide element types first, then by name, so that every tensor is aligned; header
    /// padded to 8 bytes.
    /// </remarks>
    /// <param name="path">The file. Not replaced atomically: write beside and rename where that matters.</param>
    /// <param name="tensors">From any device and layout.</param>
    /// <param name="metadata">Pairs for <c>__metadata__</c>.</param>
    /// <exception cref="ArgumentException">A name comes twice or is <c>__metadata__</c>; nothing is written.</exception>
    /// <exception cref="SafeTensorsException">The header would be longer than a reader accepts; nothing is written.</exception>
    public static void Write(
        string path, IEnumerable<(string Name, Tensor Tensor)> tensors, IReadOnlyDictionary<string, string>? metadata = null)
    {
        var ordered = tensors
            .Select(named => (named.Name, named.Tensor, Dtype: named.Tensor.Dtype))
            .OrderByDescending(named => named.Dtype.Size())
            .ThenBy(named => named.Name, StringComparer.Ordinal)
            .ToArray();
        var names = new HashSet<string> { "__metadata__" };
        if (ordered.FirstOrDefault(named => !names.Add(named.Name)) is { Name: { } repeated })
            throw new ArgumentException($"The tensor name '{repeated}' is taken.", nameof(tensors));

        var header = Header(ordered, metadata);
        using var file = new FileStream(path, FileMode.Create, FileAccess.Write, FileShare.None, bufferSize: 0);
        Span<byte> prefix = stackalloc byte[PrefixBytes];
        BinaryPrimitives.WriteUInt64LittleEndian(prefix, (ulong)header.Length);
        file.Write(prefix);
        file.Write(header);
        foreach (var (_, tensor, _) in ordered)
            WriteElements(file, tensor);
        file.Flush(flushToDisk: true);
    }

    private static byte[] Header(
        (string Name, Tensor Tensor, ScalarType Dtype)[] tensors, IReadOnlyDictionary<string, string>? metadata)
    {
        var dtypeNames = SafeTensorsHeader.Dtypes.ToDictionary(pair => pair.Value, pair => pair.Key);
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer, WriterOptions))
        {
            json.WriteStartObject();
            if (metadata is { Count: > 0 })
            {
                json.WriteStartObject("__metadata__");
                foreach (var (key, value) in metadata.OrderBy(pair => pair.Key, StringComparer.Ordinal))
                    json.WriteString(key, value);
                json.WriteEndObject();
            }

            var position = 0L;
            foreach (var (name, tensor, dtype) in tensors)
            {
                json.WriteStartObject(name);
                json.WriteString("dtype", dtypeNames[dtype]);
                json.WriteStartArray("shape");
                foreach (var size in tensor.Shape)
                    json.WriteNumberValue(size);
                json.WriteEndArray();
                json.WriteStartArray("data_offsets");
                json.WriteNumberValue(position);
                position += tensor.Numel * dtype.Size();
                json.WriteNumberValue(position);
                json.WriteEndArray();
                json.WriteEndObject();
            }

            json.WriteEndObject();
        }

        var padding = -buffer.WrittenCount & 7;
        buffer.Write("       "u8[..padding]);
        if (buffer.WrittenCount > SafeTensorsHeader.MaxBytes)
            throw new SafeTensorsException($"The header would have {buffer.WrittenCount} bytes; at most {SafeTensorsHeader.MaxBytes} is accepted.");
        return buffer.WrittenSpan.ToArray();
    }

    private static unsafe void WriteElements(FileStream file, Tensor tensor)
    {
        using var scope = TensorScope.Enter();
        var plain = tensor.Detach().To(Device.Cpu).Contiguous();
        var address = (byte*)plain.Address();
        var bytes = plain.Numel * plain.Dtype.Size();
        for (var done = 0L; done < bytes; done += ChunkBytes)
            file.Write(new ReadOnlySpan<byte>(address + done, (int)Math.Min(ChunkBytes, bytes - done)));
    }
}
